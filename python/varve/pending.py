"""Asynchronous saves after their state was copied: one queue per lake, committed in order."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from typing import Any

from . import _core
from .errors import InvalidError, TimedOutError
from .types import SaveReport

__all__ = ["Committer", "PendingSave"]

_log = logging.getLogger("varve")


class PendingSave:
    """A save under way. Its state was copied before it was handed out: change tensors freely.

    Attributes:
        name: the artifact.
        staged: True: the copy ended before `save_async` returned.
        report: the SaveReport once committed, else None. Does not block.
    """

    staged = True

    def __init__(self, name: str, core: _core.Lake) -> None:
        self.name = name
        self._core = core
        self.report: SaveReport | None = None
        self._finished = threading.Event()
        self._error: BaseException | None = None
        self._seen = False
        self._owner_pid = os.getpid()

    def done(self) -> bool:
        """True once the save was committed or failed. Does not block."""
        return self._finished.is_set()

    def settle(self) -> None:
        """Blocks until the save was committed or failed; raises nothing, and leaves a failure unseen."""
        self._finished.wait()

    def result(self, timeout: float | None = None) -> SaveReport:
        """Blocks until the version is committed and returns its report.

        Args:
            timeout: seconds, or None to wait for ever.

        Raises:
            TimedOutError: it did not end in time; it goes on.
            VarveError: the save failed; there is no version of it.
        """
        if self._owner_pid != os.getpid():
            raise InvalidError("this save belongs to the process that began it")
        if not self.done():
            with closing(self._core.hurry_saves()):
                self._finished.wait(timeout)
            if not self.done():
                raise TimedOutError(f"the save of '{self.name}' is still under way")
        self._seen = True
        if self._error is not None:
            raise self._error
        assert self.report is not None
        return self.report


class Committer:
    """Commits saves in the order in which they were handed over, in a thread that lives while there are any.

    The thread is no daemon, so an interpreter that ends waits for saves under way. Failures are logged and kept
    until somebody has seen them. Saves go on at the lowest priority until somebody waits for one.
    """

    def __init__(self, core: _core.Lake) -> None:
        self._core = core
        self._changed = threading.Condition()
        self._queue: deque[tuple[Any, PendingSave, int]] = deque()
        self._running = False
        self._held_bytes = 0
        self._failed: deque[PendingSave] = deque()

    def reserve(self, count: int, limit: int) -> None:
        """Waits until saves under way and `count` more bytes stay below `limit`; one save alone always may."""
        def fits() -> bool:
            return self._held_bytes == 0 or self._held_bytes + count <= limit

        with self._changed:
            if not fits():
                self._hurry_until(fits)
            self._held_bytes += count

    def release(self, count: int) -> None:
        """Gives back what `reserve` took and no `submit` carried on."""
        with self._changed:
            self._held_bytes -= count
            self._changed.notify_all()

    def submit(self, session: Any, pending: PendingSave, count: int) -> None:
        """Takes over a fed session and the `count` bytes reserved for it."""
        with self._changed:
            self._queue.append((session, pending, count))
            if not self._running:
                thread = threading.Thread(target=self._run, name="varve-commit")
                self._running = True
                try:
                    thread.start()
                except RuntimeError:
                    self._running = False
                    self._queue.pop()
                    raise

    def wait(self) -> None:
        """Blocks until no save is under way."""
        def idle() -> bool:
            return not self._running and not self._queue

        with self._changed:
            if not idle():
                self._hurry_until(idle)

    def raise_failed(self) -> None:
        """Raises the oldest failure that nobody has seen."""
        with self._changed:
            while self._failed:
                pending = self._failed.popleft()
                if not pending._seen and pending._error is not None:
                    pending._seen = True
                    raise pending._error

    def _hurry_until(self, ended: Callable[[], bool]) -> None:
        with closing(self._core.hurry_saves()):
            self._changed.wait_for(ended)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._running = False
                    self._changed.notify_all()
                    return
                session, pending, count = self._queue.popleft()
            try:
                pending.report = SaveReport(**session.commit_here())
            except BaseException as error:  # noqa: BLE001 - kept for the thread that asked for the save.
                # Without its frames, which hold the session and so the staged bytes.
                pending._error = error.with_traceback(None)
                _log.error("the asynchronous save of '%s' failed: %s", pending.name, error)
            session.close()
            del session
            with self._changed:
                self._held_bytes -= count
                if pending._error is not None:
                    self._failed.append(pending)
                pending._finished.set()
                self._changed.notify_all()
