"""Varve: a versioned, deduplicated lake for training checkpoints, models and artifacts.

    with varve.open("s3://bucket/lake") as lake:
        lake.save("llama", {"model": model.state_dict(), "step": 100}, step=100)
        state = lake.load("llama@v1")

A state is nested dicts, lists and tuples of torch tensors, numpy arrays and plain values. No pickle is read or written.
"""

from __future__ import annotations

from . import _core, errors, types
from .errors import VarveError
from .lake import Lake, init, open
from .pending import PendingSave
from .shortcuts import get, history, load, put, save, save_async
from .types import SaveReport, Version

__all__ = [
    "Lake", "PendingSave", "SaveReport", "VarveError", "Version", "__version__", "errors", "get", "history", "init",
    "load", "open", "put", "save", "save_async", "types",
]
__version__: str = _core.version()
