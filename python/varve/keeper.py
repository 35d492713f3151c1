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
        self._queue: deque[PendingSave] = deque()
        self._running = False
        self._failures: list[str] = []
        self._warned: set[str] = set()

    def after(self, pending: PendingSave) -> None:
        """Runs a pass once `pending` was committed. Returns at once."""
        with self._changed:
            self._queue.append(pending)
            if self._running:
                return
            self._running = True
            try:
                threading.Thread(target=self._run, name="varve-retain").start()
            except RuntimeError as error:
                self._running = False
                self._fail(str(error))

    def wait(self) -> None:
        """Blocks until no pass is under way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running)

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
                more = bool(self._queue) and self._queue[0].done()
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
