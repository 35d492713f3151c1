"""Keeping a version from retention while somebody reads it."""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid

from . import _core
from .errors import VarveError

__all__ = ["Lease"]

_LEASE_S = 6 * 3600
_log = logging.getLogger("varve")


class Lease:
    """A lease of one version, renewed every two hours by a thread until `release`, or the end of the `with` block.

    Retention lets the version stay meanwhile, and for at most six hours after a reader that died. Garbage collection is
    safe without it. Needs the right to write the artifact's head. A renewal that fails is logged and tried again.

    Attributes:
        address: the leased version by number, such as "llama@v17".
    """

    def __init__(self, core: _core.Lake, address: str, owner: str) -> None:
        row = core.describe_version(address)
        self.address = f"{address.rpartition('@')[0] or address}@v{row['version']}"
        # Each its own, so that two readers never give back each other's.
        self._owner = f"{owner or f'{socket.gethostname()}:{os.getpid()}'}#{uuid.uuid4().hex[:8]}"
        self._core = core
        self._ended = threading.Event()
        self._renew()
        self._thread = threading.Thread(target=self._run, name="varve-lease", daemon=True)
        self._thread.start()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Gives the lease back; it would end by itself. Idempotent; a failure is logged."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        try:
            _core.unpin(self._core, self.address, self._owner)
        except VarveError as error:
            _log.info("the lease of %s ends by itself: %s", self.address, error)

    def _renew(self) -> None:
        _core.renew_lease_here(self._core, self.address, self._owner, _LEASE_S * 1000)

    def _run(self) -> None:
        while not self._ended.wait(_LEASE_S / 3):
            try:
                self._renew()
            except VarveError as error:
                _log.warning("the lease of %s was not renewed: %s", self.address, error)
