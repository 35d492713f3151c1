"""Checkpoints of a PyTorch training loop in three lines: resume, step, close."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .errors import GoneError, InvalidError, NotFoundError
from .keeper import Keeper
from .lake import Lake
from .options import text
from .pending import PendingSave

__all__ = ["Checkpointer"]

_FORM = 1
_CLOSE_WAIT_S = 60.0


class Checkpointer:
    """Saves a training state every so many steps and restores it.

    Example:
        ckpt = Checkpointer(lake, "llama", model=model, optimizer=optimizer, every=500)
        for step in range(ckpt.resume() + 1, steps + 1):
            ...
            ckpt.step(step, {"loss": loss.item()})
        ckpt.close()

    Args:
        lake: an open lake, which the caller closes.
        name: artifact.
        model, optimizer, scheduler: anything with state_dict() and load_state_dict().
        extra: a dict saved and restored beside them (data position, scaler state); plain values and tensors.
            `resume` replaces its content.
        every: steps between saves, at least 1.
        keep: what to keep of this artifact, in the language of docs/retention.md, such as
            "last 3; best 2 by val_loss min; every 1000 steps of weights"; the rest is let go after each commit, behind
            the loop, and can be brought back for 7 days. None keeps all. A pass that fails is logged and warned of at
            the next save or at close; InvalidError here, with line and column, for rules that do not parse.
        memory_bytes: as in Lake.save_async.

    A save copies the state before it returns and uploads behind the training loop; a failed one raises at the
    next save or at close. Belongs to one thread.

    Attributes:
        lost_ms: per save, how many milliseconds it kept the loop.
        last: the newest save, or None.
    """

    def __init__(
        self, lake: Lake, name: str, *, model: Any, optimizer: Any = None, scheduler: Any = None,
        extra: dict[str, Any] | None = None, every: int = 100, keep: str | None = None, memory_bytes: int | None = None,
    ) -> None:
        if every < 1:
            raise InvalidError("every must be at least 1")
        self._lake, self._name, self._every, self._memory_bytes = lake, name, every, memory_bytes
        self._parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        self.extra = extra if extra is not None else {}
        self.lost_ms: list[float] = []
        self.last: PendingSave | None = None
        self._keeper = None if keep is None else Keeper(lake._core, name, text(keep, "keep"))
        lake._core.warm(_expected_bytes(model, optimizer))

    def resume(self, address: str | None = None) -> int:
        """Restores the newest version that is whole, or `address`, random states included. Blocks.

        With `keep`, the version is recorded as verified behind the loop, so that retention's floor may stand on it.

        Returns:
            The step it was saved at; 0 when the artifact does not exist or has no version left.

        Raises:
            InvalidError: the version was not saved by a Checkpointer, or lacks a part asked for.
            GoneError: there are versions, and retention let go of components of every one.
            CorruptError, StorageError: it is there and cannot be read; training does not start over silently.
        """
        if address is None:
            try:
                versions = self._lake.history(self._name)
            except NotFoundError:
                return 0
            live = [version for version in versions if version.forgotten is None]
            if not live:
                return 0
            live = [version for version in live if not version.let_go]
            if not live:
                raise GoneError(f"every version of '{self._name}' was thinned; resume needs a whole one: varve undelete")
            address = f"{self._name}@v{live[0].version}"
        row = self._lake._core.describe_version(text(address, "the address"))
        address = f"{address.rpartition('@')[0] or address}@v{row['version']}"  # A label may move meanwhile.
        state = self._lake.load(address)
        if not isinstance(state, dict) or state.get("checkpointer") != _FORM:
            raise InvalidError(f"'{address}' was not saved by a Checkpointer of this form; read it with Lake.load")
        for part, holder in self._parts.items():
            if holder is not None and state[part] is None:
                raise InvalidError(f"'{address}' has no {part}; leave the {part} out to resume without it")
        for part, holder in self._parts.items():
            if holder is not None:
                holder.load_state_dict(state[part])
        self.extra.clear()
        self.extra.update(state["extra"])
        if self._keeper is not None:
            self._keeper.note_verified(address)  # All of it was read and matched.
        rng = state["rng"]
        random.setstate(rng["python"])
        np.random.set_state(rng["numpy"])
        torch.set_rng_state(rng["torch"])
        if torch.cuda.is_available():
            for device, cuda in enumerate(rng["cuda"][: torch.cuda.device_count()]):
                torch.cuda.set_rng_state(cuda, device)
        return int(state["step"])

    def step(self, step: int, metrics: Mapping[str, float] | None = None) -> PendingSave | None:
        """Call once per training step, after the optimizer's; saves when `step` is a multiple of `every`."""
        return self.save(step, metrics) if step % self._every == 0 else None

    def save(self, step: int, metrics: Mapping[str, float] | None = None) -> PendingSave:
        """Saves now; returns once the state is copied. Raises a failure of an earlier save."""
        begun = time.perf_counter()
        if self._keeper is not None:
            self._keeper.report()
        state: dict[str, Any] = {"checkpointer": _FORM, "step": int(step)}
        for part, holder in self._parts.items():
            state[part] = None if holder is None else holder.state_dict()
        state |= {"extra": dict(self.extra), "rng": _random_states()}
        self.last = self._lake.save_async(self._name, state, step=step, metrics=metrics, memory_bytes=self._memory_bytes)
        if self._keeper is not None:
            self._keeper.after(self.last)
        self.lost_ms.append((time.perf_counter() - begun) * 1000)
        return self.last

    def close(self) -> None:
        """Blocks until every save is committed and retention has run; raises the first failure nobody has seen.

        For retention it waits a minute at most, and then says so: a store that hangs for it holds nobody up.
        """
        try:
            self._lake.wait()
        finally:
            if self._keeper is not None:
                self._keeper.wait(_CLOSE_WAIT_S)
                self._keeper.report()

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _expected_bytes(model: Any, optimizer: Any) -> int:
    """About what a save will copy: parameters, and twice as much for an optimizer that has not stepped yet."""
    parameters = getattr(model, "parameters", None)
    count = sum(each.nbytes for each in parameters()) if callable(parameters) else 0
    return int(count if optimizer is None else 3 * count)


def _random_states() -> dict[str, Any]:
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=True),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if cuda else [],
    }
