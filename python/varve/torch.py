"""Checkpoints of a PyTorch training loop in three lines: resume, step, close."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import torch

from .errors import NotFoundError, UnsupportedError
from .lake import Lake, PendingSave

__all__ = ["Checkpointer"]


class Checkpointer:
    """Saves a training state every so many steps and restores it.

    Example:
        ckpt = Checkpointer(lake, "llama", model=model, optimizer=optimizer, every=500)
        start = ckpt.resume()
        for step in range(start + 1, steps + 1):
            ...
            ckpt.step(step, {"loss": loss.item()})
        ckpt.close()

    Args:
        lake: an open lake. name: artifact.
        model, optimizer, scheduler: anything with state_dict() and load_state_dict().
        extra: a dict saved and restored beside them (data position, scaler state); plain values and tensors.
        every: steps between saves, >= 1.
        keep: reserved for retention; must be None in this release (UnsupportedError).
        memory_bytes: as in Lake.save_async.

    A save copies the state before it returns and uploads behind the training loop; a failed one raises at the
    next save. `lost_ms` lists how long each save kept the loop.
    """

    def __init__(
        self, lake: Lake, name: str, *, model: Any, optimizer: Any = None, scheduler: Any = None,
        extra: dict[str, Any] | None = None, every: int = 100, keep: str | None = None, memory_bytes: int | None = None,
    ) -> None:
        if keep is not None:
            raise UnsupportedError("keep: retention is not in this release; leave it out")
        self._lake, self._name, self._every, self._memory_bytes = lake, name, max(1, every), memory_bytes
        self._parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        self.extra = extra if extra is not None else {}
        self.lost_ms: list[float] = []
        self.last: PendingSave | None = None

    def resume(self, address: str | None = None) -> int:
        """Restores the newest version (or `address`), random states included; returns its step, 0 when none. Blocks."""
        try:
            state = self._lake.load(address or self._name)
        except NotFoundError:
            if address is not None:
                raise
            return 0
        for part, holder in self._parts.items():
            if holder is not None:
                holder.load_state_dict(state[part])
        self.extra.clear()
        self.extra.update(state["extra"])
        rng = state["rng"]
        random.setstate(rng["python"])
        np.random.set_state(rng["numpy"])
        torch.set_rng_state(rng["torch"])
        if torch.cuda.is_available() and rng["cuda"]:
            torch.cuda.set_rng_state_all(rng["cuda"])
        return int(state["step"])

    def step(self, step: int, metrics: dict[str, float] | None = None) -> PendingSave | None:
        """Call once per training step, after the optimizer's; saves when `step` is a multiple of `every`."""
        return self.save(step, metrics) if step % self._every == 0 else None

    def save(self, step: int, metrics: dict[str, float] | None = None) -> PendingSave:
        """Saves now; returns once the state is copied. Raises a failure of an earlier save."""
        begun = time.perf_counter()
        state = {part: None if holder is None else holder.state_dict() for part, holder in self._parts.items()}
        if isinstance(state["model"], dict):
            state["model"] = dict(state["model"])
        state |= {"step": step, "extra": dict(self.extra), "rng": self._rng()}
        self.last = self._lake.save_async(
            self._name, state, step=step, metrics=metrics, memory_bytes=self._memory_bytes
        )
        self.lost_ms.append((time.perf_counter() - begun) * 1000)
        return self.last

    def close(self) -> None:
        """Blocks until every save is committed; raises the first failure nobody has seen."""
        self._lake.wait()

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _rng() -> dict[str, Any]:
        return {
            "python": random.getstate(),
            "numpy": np.random.get_state(legacy=True),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
