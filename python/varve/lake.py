"""Lakes as Python meets them: save, load, put, get and the history of versions."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from . import _core, dtypes, tree
from .errors import CorruptError, InvalidError, NotFoundError, VarveError

__all__ = ["Lake", "PendingSave", "SaveReport", "Version", "init", "open"]

_IN_FLIGHT_MAX = 4  # Asynchronous saves that may wait for their commit.


@dataclasses.dataclass(frozen=True)
class SaveReport:
    """What a save did. Bytes are counts of bytes, times are seconds since the save began."""

    version: int
    commit_id: str
    logical_bytes: int
    stored_bytes: int
    shared_bytes: int
    objects_written: int
    staged_s: float
    durable_s: float
    committed_s: float


@dataclasses.dataclass(frozen=True)
class Version:
    """One row of a history."""

    version: int
    commit_id: str
    time_ms: int
    step: int | None
    logical_bytes: int
    stored_bytes: int
    metrics: Mapping[str, float]
    message: str
    aliases: list[str]
    tags: list[str]
    forgotten: str | None


class PendingSave:
    """A save under way. Its state was copied before it was handed out: change tensors freely."""

    def __init__(self) -> None:
        self._finished = threading.Event()
        self._report: SaveReport | None = None
        self._error: BaseException | None = None
        self._taken = False

    def done(self) -> bool:
        """True once the save was committed or failed. Does not block."""
        return self._finished.is_set()

    def result(self, timeout: float | None = None) -> SaveReport:
        """Blocks until the version is committed and returns its report.

        Args:
            timeout: seconds, or None to wait for ever.

        Raises:
            TimeoutError: it did not end in time; it goes on.
            VarveError: the save failed.
        """
        if not self._finished.wait(timeout):
            raise TimeoutError("the save is still under way")
        self._taken = True
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report


class Lake:
    """An open lake. Safe to share between threads; open it again after a fork.

    Use `varve.open` to make one. As a context manager it closes itself.
    """

    def __init__(self, core: Any) -> None:
        self._core = core
        self._owner_pid = os.getpid()
        self._pending: deque[tuple[Any, PendingSave]] = deque()
        self._all: list[PendingSave] = []
        self._changed = threading.Condition()
        self._committer: threading.Thread | None = None
        self._closed = False

    def __enter__(self) -> Lake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"varve.Lake({self._core.describe()!r})"

    @property
    def lake_id(self) -> str:
        """32 hex letters that tell this lake from every other."""
        return str(self._core.lake_id())

    # Saving.

    def save(
        self, name: str, state: Any, *, step: int | None = None, metrics: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None, message: str = "", aliases: Iterable[str] = (),
        parents: Iterable[str] = (), type: str = "checkpoint",
    ) -> SaveReport:
        """Saves `state` as the next version of `name` and returns once it is durable and visible.

        Args:
            name: artifact, for example "llama" or "team/llama".
            state: nested dicts, lists and tuples of tensors (every torch dtype, any shape, any device), numpy
                arrays and plain values. Tensors are read in place where they are contiguous on the CPU, so do not
                change them meanwhile; others are copied one at a time.
            step: training step, shown in the history.
            metrics: numbers by name; at most 1,024.
            metadata: a JSON object of at most 1 MiB.
            message: at most 4 KiB.
            aliases: names moved to the new version in the same commit.
            parents: addresses this state derives from, beside the previous version; their chunks are shared.
            type: "checkpoint", "model" or any word.

        Raises:
            UnsupportedError: something in `state` cannot be stored without pickle; gives its path. Nothing was sent.
            InvalidError, ConflictError, StorageError, UnknownOutcomeError: see varve.errors.
            VarveError: an earlier asynchronous save failed and nobody has asked for its result.
        """
        self._check()
        session, owners = self._feed(name, state, step, metrics, metadata, message, aliases, parents, type, 0, False)
        report = SaveReport(**session.commit())
        del owners  # The core read from their memory until now.
        return report

    def save_async(
        self, name: str, state: Any, *, step: int | None = None, metrics: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None, message: str = "", aliases: Iterable[str] = (),
        parents: Iterable[str] = (), type: str = "checkpoint", memory_bytes: int | None = None,
    ) -> PendingSave:
        """Copies `state` into a bounded staging area and returns; hashing, encoding and upload go on behind.

        Nothing that happens to the tensors after the return reaches the saved version. A failure raises at
        the next call on this lake, or from `PendingSave.result`.

        Args:
            memory_bytes: hard cap on staging and upload buffers, at least 64 MiB (67,108,864); default 1 GiB. A
                state that does not fit streams through, and the call waits meanwhile.
            Others as in `save`.

        Raises:
            As `save`, for what is found before the upload.
        """
        self._check()
        with self._changed:
            self._changed.wait_for(lambda: len(self._pending) < _IN_FLIGHT_MAX)
        session, _ = self._feed(
            name, state, step, metrics, metadata, message, aliases, parents, type, memory_bytes or 0, True
        )
        pending = PendingSave()
        with self._changed:
            self._pending.append((session, pending))
            self._all = [p for p in self._all if not (p.done() and (p._taken or p._error is None))] + [pending]
            if self._committer is None:
                self._committer = threading.Thread(target=self._commit_loop, name="varve-commit", daemon=True)
                self._committer.start()
            self._changed.notify_all()
        return pending

    def put(
        self, name: str, path: str | os.PathLike[str], *, type: str = "model", step: int | None = None,
        metrics: Mapping[str, float] | None = None, metadata: Mapping[str, Any] | None = None, message: str = "",
        aliases: Iterable[str] = (), parents: Iterable[str] = (),
    ) -> SaveReport:
        """Stores a file, or every file below a folder, as the next version of `name`. Blocks until committed.

        Raises:
            NotFoundError: nothing is at `path`. UnsupportedError: a link or special file below it.
        """
        self._check()
        options = _options(type, step, metrics, metadata, message, aliases, parents, "", False, 0)
        return SaveReport(**self._core.put(name, os.fspath(path), options))

    def wait(self) -> None:
        """Blocks until every asynchronous save has ended; raises the first failure nobody has seen."""
        for pending in list(self._all):
            pending._finished.wait()
        self._raise_failed()

    def close(self) -> None:
        """Waits for saves under way, stops the workers, raises a failure nobody has seen. Idempotent."""
        if self._closed or os.getpid() != self._owner_pid:
            return
        for pending in list(self._all):
            pending._finished.wait()
        self._closed = True
        with self._changed:
            self._changed.notify_all()
        self._core.close()
        self._raise_failed()

    # Loading.

    def load(self, address: str, *, into: Any = None, only: str | Iterable[str] | None = None, device: Any = None) -> Any:
        """Reads a version and verifies every byte against its digest.

        Args:
            address: "llama", "llama@latest", "llama@v17", "llama@best".
            into: a tree of tensors to fill in place; shapes and dtypes must equal the stored ones, which is
                checked before any byte is read. Keys are matched by their path, or by their path behind the
                literal folder that `only` starts with: only="model/*" fills into=model.state_dict().
            only: glob or globs of tensor paths ("model/*"); the rest is neither read nor returned.
            device: torch device of the returned tensors; default CPU.

        Returns:
            The saved state, or `into` when it was given.

        Raises:
            NotFoundError: no such artifact, version or path, with the nearest name.
            CorruptError: damage, naming tensor and chunk; no wrong byte is returned (`into` is then unspecified).
            InvalidError: `into` does not fit.
        """
        self._check()
        version = self._core.open_at(address)
        info = version.info()
        rows = version.tensors()
        if not info["tree_json"]:
            raise InvalidError(f"'{address}' holds files, not a state; fetch it with get()")
        globs = [only] if isinstance(only, str) else list(only) if only is not None else None
        chosen = {row[0]: (i, row) for i, row in enumerate(rows) if globs is None or _matches(row[0], globs)}
        if globs is not None and not chosen:
            raise NotFoundError(f"no tensor of '{address}' matches {globs}; it has {[r[0] for r in rows[:5]]} ...")
        if into is not None:
            self._load_into(version, chosen, into, globs, address)
            return into
        values: dict[str, Any] = {}
        reads: list[tuple[int, int, int]] = []

        def tensor(form: str, name: str) -> Any:
            if name not in values:
                if name not in by_name:
                    raise CorruptError(f"the tree of '{address}' names '{name}', which is not there")
                index, row = by_name[name]
                values[name], at = dtypes.empty(form, row[1], row[2])
                if row[3]:
                    reads.append((index, at, row[3]))
            return values[name]

        by_name = {row[0]: (i, row) for i, row in enumerate(rows)}
        keep = (lambda name: name in chosen) if globs is not None else None
        state = tree.decode(info["tree_json"], tensor, keep)
        version.read_tensors(reads)
        if device is not None:
            moved = {name: v.to(device) if dtypes.is_tensor(v) else v for name, v in values.items()}
            state = tree.decode(info["tree_json"], lambda _, name: moved[name], keep)
        return state

    def get(self, address: str, destination: str | os.PathLike[str]) -> None:
        """Writes the files of a version into the folder `destination`, verified; it appears whole or not at all.

        Raises:
            AlreadyExistsError: `destination` exists and is not an empty folder.
        """
        self._check()
        self._core.get(address, os.fspath(destination))

    # History.

    def ls(self) -> list[dict[str, Any]]:
        """Artifacts by name, with type, number of versions, time and bytes of the newest."""
        self._check()
        return list(self._core.artifacts())

    def history(self, name: str, *, limit: int = 1000) -> list[Version]:
        """Versions, newest first, forgotten ones included and marked."""
        self._check()
        return [Version(**row) for row in self._core.history(name, limit)]

    versions = history

    def show(self, address: str) -> dict[str, Any]:
        """Everything about one version: its row, parents, metadata, metrics, tensors and files."""
        self._check()
        info = dict(self._core.describe_version(address))
        version = self._core.open_at(address)
        whole = version.info()
        for key in ("name", "type", "parents", "message", "metrics"):
            info[key] = whole[key]
        info["metadata"] = json.loads(whole["metadata_json"]) if whole["metadata_json"] else {}
        info["tensors"] = [dict(zip(("path", "dtype", "shape", "bytes", "digest"), row)) for row in version.tensors()]
        info["files"] = [dict(zip(("path", "bytes", "executable", "digest"), row)) for row in version.files()]
        return info

    def diff(self, left: str, right: str) -> dict[str, Any]:
        """Tensors and files added, removed, changed and equal, each (path, bytes, bytes shared)."""
        self._check()
        return dict(self._core.diff(left, right))

    def alias(self, name: str, alias: str, target: str) -> None:
        """Moves `alias` of `name` to `target` ("v17" or an address)."""
        self._check()
        self._core.set_alias(name, alias, target if "@" in target else f"{name}@{target}")

    def unalias(self, name: str, alias: str) -> None:
        """Removes an alias."""
        self._check()
        self._core.remove_alias(name, alias)

    def tag(self, name: str, tag: str, target: str) -> None:
        """Writes a tag once; it never moves (AlreadyExistsError)."""
        self._check()
        self._core.set_tag(name, tag, target if "@" in target else f"{name}@{target}")

    def forget(self, address: str, *, reason: str = "") -> None:
        """Makes a version unreachable; its bytes go when the lake is collected. ConflictError while labelled."""
        self._check()
        self._core.forget(address, reason)

    def verify(self, address: str) -> dict[str, Any]:
        """Reads and hashes again everything a version names; `damage` lists (path, chunk, object, what)."""
        self._check()
        return dict(self._core.verify(address))

    def copy_from(self, source: Lake, address: str) -> tuple[int, int, int]:
        """Copies a version, or all live ones of a name, keeping commit ids: (copied, skipped, bytes sent)."""
        self._check()
        return tuple(self._core.copy_from(source._core, address))  # type: ignore[return-value]

    # Inside.

    def _check(self) -> None:
        if os.getpid() != self._owner_pid:
            raise InvalidError("this lake was opened before a fork; open it again in this process")
        if self._closed:
            raise InvalidError("the lake is closed")
        self._raise_failed()

    def _raise_failed(self) -> None:
        for pending in self._all:
            if pending.done() and pending._error is not None and not pending._taken:
                pending._taken = True
                raise pending._error

    def _commit_loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._pending) or self._closed)
                if not self._pending:
                    return
                session, pending = self._pending[0]
            try:
                pending._report = SaveReport(**session.commit_here())
            except BaseException as error:  # noqa: BLE001 - kept for the thread that asked for the save.
                pending._error = error
            with self._changed:
                self._pending.popleft()
                self._changed.notify_all()
            del session
            pending._finished.set()

    def _feed(
        self, name: str, state: Any, step: int | None, metrics: Mapping[str, float] | None,
        metadata: Mapping[str, Any] | None, message: str, aliases: Iterable[str], parents: Iterable[str], type: str,
        memory_bytes: int, background: bool,
    ) -> tuple[Any, list[Any]]:
        text, leaves = tree.encode(state)
        options = _options(type, step, metrics, metadata, message, aliases, parents, text, background, memory_bytes)
        session = self._core.begin_save(name, options)
        owners = []
        for leaf in leaves:
            if leaf.same is not None:
                session.add_alias(leaf.name, leaf.same)
                continue
            owner, address, count, is_copy = dtypes.host_view(leaf.value)
            copy = background or is_copy  # A temporary copy must not pile up until the commit.
            shape = [int(n) for n in leaf.value.shape]
            session.add_tensor(leaf.name, dtypes.name_of(leaf.value), shape, address, count, copy)
            if not copy:
                owners.append(owner)
        return session, owners

    def _load_into(self, version: Any, chosen: dict[str, Any], into: Any, globs: list[str] | None, address: str) -> None:
        prefixes = sorted({g[: g.rfind("/", 0, _first_wild(g)) + 1] for g in globs or []}, key=len, reverse=True)
        reads, copies = [], []
        for path, target in tree.flatten(into).items():
            found = next((p + path for p in ["", *prefixes] if p + path in chosen), None)
            if found is None:
                raise NotFoundError(f"'{address}' has no tensor for '{path}'; it has {list(chosen)[:5]} ...")
            index, row = chosen[found]
            if dtypes.name_of(target) != row[1] or [int(n) for n in target.shape] != list(row[2]):
                raise InvalidError(
                    f"'{path}' is {dtypes.name_of(target)} {list(target.shape)}, stored is {row[1]} {list(row[2])}"
                )
            _, at, count, is_copy = dtypes.host_view(target)
            if is_copy:
                form = "T" if dtypes.is_tensor(target) else "A"
                fresh, at = dtypes.empty(form, row[1], row[2])
                copies.append((target, fresh))
            if count:
                reads.append((index, at, count))
        version.read_tensors(reads)
        for target, fresh in copies:
            if dtypes.is_tensor(target):
                target.detach().copy_(fresh)
            else:
                target[...] = fresh


def _first_wild(glob: str) -> int:
    return min((glob.find(c) for c in "*?[" if c in glob), default=len(glob))


def _matches(path: str, globs: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, glob) for glob in globs)


def _options(
    type: str, step: int | None, metrics: Mapping[str, float] | None, metadata: Mapping[str, Any] | None, message: str,
    aliases: Iterable[str], parents: Iterable[str], text: str, background: bool, memory_bytes: int,
) -> dict[str, Any]:
    try:
        metadata_json = json.dumps(metadata, allow_nan=False) if metadata else ""
    except (TypeError, ValueError) as error:
        raise InvalidError(f"metadata must be a JSON object: {error}") from None
    return {
        "type": type, "step": step, "message": message, "metadata_json": metadata_json,
        "metrics": {str(k): float(v) for k, v in (metrics or {}).items()}, "parents": list(parents),
        "aliases": [aliases] if isinstance(aliases, str) else list(aliases), "tree_json": text,
        "background": background, "memory_bytes": memory_bytes,
    }


def _location(location: str | os.PathLike[str] | None) -> str:
    found = os.fspath(location) if location is not None else os.environ.get("VARVE_LAKE", "")
    if not found:
        raise InvalidError("no lake was named; give s3://bucket/prefix or a folder, or set VARVE_LAKE")
    return found


def init(location: str | os.PathLike[str] | None = None) -> None:
    """Makes a lake in an empty folder or S3 prefix. Blocks.

    Raises:
        AlreadyExistsError: one is there. InvalidError: the place holds something else.
    """
    _core.init(_location(location))


def open(  # noqa: A001 - the name people expect.
    location: str | os.PathLike[str] | None = None, *, create: bool = False, cpu_threads: int = 0,
    memory_bytes: int = 1 << 30, compress: bool = True,
) -> Lake:
    """Opens a lake: "s3://bucket/prefix" or a folder; default is the variable VARVE_LAKE.

    Args:
        create: make the lake when there is none.
        cpu_threads: for hashing and encoding; 0: all cores (an eighth of them, at low priority, for save_async).
        memory_bytes: cap of one save or load beyond the caller's own tensors, at least 64 MiB.
        compress: store weights as coded byte planes where that is smaller.

    Raises:
        NotFoundError: no lake is there. AccessError, StorageError: the store refuses or does not answer.
    """
    where = _location(location)
    try:
        return Lake(_core.open(where, cpu_threads, memory_bytes, compress))
    except NotFoundError:
        if not create:
            raise
    try:
        _core.init(where)
    except VarveError as error:
        if error.kind != "already_exists":
            raise
    return Lake(_core.open(where, cpu_threads, memory_bytes, compress))
