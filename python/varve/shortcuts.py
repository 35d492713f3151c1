"""save, load and friends without a lake in hand: `lake` is a Lake, a location, or VARVE_LAKE by default."""

from __future__ import annotations

import os
import threading
from typing import Any

from . import lake as _lake
from .options import location
from .pending import PendingSave
from .types import SaveReport, Version

__all__ = ["get", "history", "load", "put", "save", "save_async"]

_opened: dict[tuple[int, str], _lake.Lake] = {}
_lock = threading.Lock()

Where = _lake.Lake | str | os.PathLike[str] | None


def _use(where: Where) -> _lake.Lake:
    if isinstance(where, _lake.Lake):
        return where
    key = (os.getpid(), location(where))
    with _lock:
        found = _opened.get(key)
        if found is None or found._closed:
            found = _opened[key] = _lake.open(key[1])
        return found


def save(name: str, state: Any, *, lake: Where = None, **options: Any) -> SaveReport:
    """`Lake.save` in `lake`, which stays open for the next call."""
    return _use(lake).save(name, state, **options)


def save_async(name: str, state: Any, *, lake: Where = None, **options: Any) -> PendingSave:
    """`Lake.save_async` in `lake`, which stays open for the next call."""
    return _use(lake).save_async(name, state, **options)


def load(address: str, *, lake: Where = None, **options: Any) -> Any:
    """`Lake.load` from `lake`, which stays open for the next call."""
    return _use(lake).load(address, **options)


def put(name: str, path: str | os.PathLike[str], *, lake: Where = None, **options: Any) -> SaveReport:
    """`Lake.put` in `lake`, which stays open for the next call."""
    return _use(lake).put(name, path, **options)


def get(address: str, destination: str | os.PathLike[str], *, lake: Where = None) -> None:
    """`Lake.get` from `lake`, which stays open for the next call."""
    _use(lake).get(address, destination)


def history(name: str, *, lake: Where = None, limit: int = 1000) -> list[Version]:
    """`Lake.history` of `lake`, which stays open for the next call."""
    return _use(lake).history(name, limit=limit)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
