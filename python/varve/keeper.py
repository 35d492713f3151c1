"""Retention after commits: behind the training loop, and never in its way."""

from __future__ import annotations

import logging
import threading
import warnings
from collections import deque
from typing import Any

from . import _core
from .errors import ConflictError, VarveError
from .pending import PendingSave

__all__ = ["Keeper"]

_log = logging.getLogger("varve")


class Keeper:
    """Lets versions of one artifact go by `rules` after each save that was committed.

    It runs in a thread that lives while there is work, and does several commits in one pass. A failure is logged
    where it happens, kept for `report`, and tried again after the next commit; nothing here raises or waits, except
    `wait`.

    Raises:
        InvalidError: the rules do not parse; gives line and column.
    """

    def __init__(self, core: _core.Lake, name: str, rules: str) -> None:
        self._rules = _core.check_policy(rules)
        self._core, self._name = core, name
        self._changed = threading.Condition()
        self._queue: deque[PendingSave | str] = deque()
        self._running = False
        self._failures: list[str] = []
        self._warned: set[str] = set()

    def after(self, pending: PendingSave) -> None:
        """Runs a pass once `pending` was committed. Returns at once."""
        self._add(pending)

    def note_verified(self, address: str) -> None:
        """Records that every byte of `address` was read and matched, for the floors. Returns at once."""
        self._add(address)

    def _add(self, work: PendingSave | str) -> None:
        with self._changed:
            self._queue.append(work)
            if self._running:
                return
            self._running = True
            try:
                threading.Thread(target=self._run, name="varve-retain").start()
            except RuntimeError as error:
                self._running = False
                self._fail(str(error))

    def wait(self, timeout_s: float | None = None) -> None:
        """Blocks until no pass is under way, at most `timeout_s`."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._running, timeout_s):
                self._fail(f"it did not end within {timeout_s:g} s; the next run goes on with it")

    def report(self) -> None:
        """Warns of failures since the last call; never raises."""
        with self._changed:
            failures, self._failures = self._failures, []
        for failure in failures:
            try:
                warnings.warn(f"retention of '{self._name}': {failure}", RuntimeWarning, stacklevel=3)
            except RuntimeWarning:
                pass  # A filter made it an error; it is in the log.

    def _fail(self, why: str) -> None:
        if why in self._warned:
            return
        self._warned.add(why)
        self._failures.append(why)
        _log.error("retention of '%s' failed: %s", self._name, why)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._running = False
                    self._changed.notify_all()
                    return
                pending = self._queue.popleft()
                following = self._queue[0] if self._queue else None
            if isinstance(pending, str):
                try:
                    _core.note_verified_here(self._core, pending)
                except VarveError as error:
                    _log.info("'%s' was not recorded as verified: %s", pending, error)
                continue
            more = isinstance(following, PendingSave) and following.done()
            pending.settle()
            if pending.report is None or more:
                continue  # Nothing new is there, or a later pass does both.
            try:
                self._note(_core.retain_here(self._core, self._rules, [self._name]))
            except ConflictError as error:  # Another save moved first; the pass after it does both.
                _log.info("retention of '%s' waits for the next commit: %s", self._name, error)
            except BaseException as error:  # noqa: BLE001 - nothing of it may reach the training loop.
                with self._changed:
                    self._fail(str(error) if isinstance(error, VarveError) else repr(error))

    def _note(self, report: dict[str, Any]) -> None:
        for warning in report["warnings"]:
            with self._changed:
                if warning not in self._warned:
                    self._warned.add(warning)
                    _log.warning("retention of '%s': %s", self._name, warning)
        if report["forgotten"] or report["thinned"]:
            _log.info("retention of '%s': %d forgotten, %d thinned", self._name, report["forgotten"], report["thinned"])
