"""Varve: a versioned, deduplicated lake for training checkpoints, models and artifacts."""

from __future__ import annotations

from . import _core
from .errors import VarveError
from .lake import Lake, PendingSave, SaveReport, Version, init, open

__all__ = ["Lake", "PendingSave", "SaveReport", "VarveError", "Version", "__version__", "init", "open"]
__version__: str = _core.version()
