"""Lakes as Python meets them: save, load, put, get and the history of versions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import _core, dtypes, loading, tree
from .errors import AlreadyExistsError, InvalidError, NotFoundError
from .lease import Lease
from .options import address as _address
from .options import location as _location
from .options import rank_place, save_options, text
from .pending import Committer, PendingSave
from .types import (
    Artifact,
    CopyReport,
    Damage,
    Diff,
    DiffItem,
    FileInfo,
    Finding,
    Health,
    Part,
    SaveReport,
    TensorInfo,
    Verification,
    Version,
    VersionDetail,
)

__all__ = ["Lake", "init", "open"]

_TEMPORARY_BYTES_MAX = 64 << 20  # Host copies of tensors that cannot be read in place, before they are handed over.
_SAVE_OVERHEAD_BYTES = 32 << 20


class Lake:
    """An open lake. Safe to share between threads; open it again after a fork (InvalidError until then).

    Use `varve.open` to make one. As a context manager it closes itself. Calls that wait for storage release the
    interpreter lock and react to Ctrl-C within about 100 ms, in the main thread.
    """

    def __init__(self, core: _core.Lake, memory_bytes: int) -> None:
        self._core = core
        self._memory_bytes = memory_bytes
        self._owner_pid = os.getpid()
        self._committer = Committer(core)
        self._closed = False

    def __enter__(self) -> Lake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._closed or os.getpid() != self._owner_pid:
            return "varve.Lake(closed)"
        return f"varve.Lake({self._core.describe()!r})"

    @property
    def lake_id(self) -> str:
        """32 hex letters that tell this lake from every other. Does not block."""
        return self._core.lake_id()

    # Saving.

    def save(
        self, name: str, state: Any, *, step: int | None = None, metrics: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None, message: str = "", aliases: str | Iterable[str] = (),
        parents: str | Iterable[str] = (), type: str = "checkpoint",
    ) -> SaveReport:
        """Saves `state` as the next version of `name` and returns once it is durable and visible.

        Args:
            name: artifact, for example "llama" or "team/llama".
            state: nested dicts, OrderedDicts, lists, tuples and sets of tensors (every torch dtype, any shape,
                contiguous or not, any device), numpy arrays and plain values. Tensors are read in place where they
                are contiguous on the CPU, so do not change them meanwhile; others are copied a few at a time.
                Two names of the same view of the same memory are stored once and load as one tensor.
            step: training step, shown in the history; 64 bits.
            metrics: numbers by name; at most 1,024.
            metadata: a JSON object of at most 1 MiB.
            message: at most 4 KiB.
            aliases: names moved to the new version in the same commit.
            parents: addresses this state derives from, beside the previous version; their chunks are shared.
            type: "checkpoint", "model" or any word.

        Returns:
            Version number, commit id, bytes and seconds. Blocks until committed.

        Raises:
            UnstorableError: something in `state` cannot be stored without pickle; gives its path. Nothing was sent.
            InvalidError: an argument is wrong. Nothing was sent.
            ConflictError, StorageError, UnknownOutcomeError: see varve.errors.
            VarveError: an earlier asynchronous save failed and nobody has seen it; this one was not begun.
        """
        self._check(failures=True)
        tree_json, leaves = tree.encode(state)
        options = save_options(
            type=type, step=step, metrics=metrics, metadata=metadata, message=message, aliases=aliases,
            parents=parents, tree_json=tree_json,
        )
        session = self._core.begin_save(text(name, "the name"), options)
        try:
            _feed(session, leaves, copy=False)
            return SaveReport(**session.commit())  # `leaves` hold the memory it reads until here.
        finally:
            session.close()

    def save_async(
        self, name: str, state: Any, *, step: int | None = None, metrics: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None, message: str = "", aliases: str | Iterable[str] = (),
        parents: str | Iterable[str] = (), type: str = "checkpoint", memory_bytes: int | None = None,
    ) -> PendingSave:
        """Copies `state` into a bounded staging area and returns; hashing, encoding and upload go on behind.

        Nothing that happens to the tensors after the return reaches the saved version. Saves are committed in the
        order of the calls. A failed one is logged, and raises from `PendingSave.result`, or else from the next call
        of save, save_async, put, wait or close on this lake.

        Args:
            memory_bytes: hard cap on staging and upload buffers of all asynchronous saves of this lake together, at
                least 64 MiB (67,108,864); default that of `varve.open`. A state that does not fit streams through,
                and the call waits meanwhile; it also waits while earlier saves hold the memory.
            Others as in `save`.

        Returns:
            The save under way. An interpreter that ends waits for it.

        Raises:
            As `save`, for what is found before the copy is complete.
        """
        self._check(failures=True)
        limit = self._memory_bytes if memory_bytes is None else memory_bytes
        tree_json, leaves = tree.encode(state)
        options = save_options(
            type=type, step=step, metrics=metrics, metadata=metadata, message=message, aliases=aliases,
            parents=parents, tree_json=tree_json, background=True, memory_bytes=limit,
        )
        count = sum(leaf.value.nbytes for leaf in leaves if leaf.same is None)
        count = min(limit, 2 * count + _SAVE_OVERHEAD_BYTES)  # Staged copies, and packs on their way.
        self._committer.reserve(count, limit)
        pending = PendingSave(name, self._core)
        session = None
        try:
            session = self._core.begin_save(text(name, "the name"), options)
            _feed(session, leaves, copy=True)
            self._committer.submit(session, pending, count)
        except BaseException:
            if session is not None:
                session.close()
            self._committer.release(count)
            raise
        return pending

    def save_part(
        self, name: str, state: Any, *, save_id: str, rank: int, ranks: int, step: int | None = None,
        metrics: Mapping[str, float] | None = None, metadata: Mapping[str, Any] | None = None, message: str = "",
        aliases: str | Iterable[str] = (), parents: str | Iterable[str] = (), type: str = "checkpoint",
    ) -> Part:
        """Saves this process's share of a version, and returns once it is durable. Visible only after `join_parts`.

        Call it on every rank, then give the tokens of all of them to one `join_parts`, by a gather, a store or a file.
        There is no asynchronous form.

        Args:
            state: as in `save`. Of a torch DTensor whose rows are divided among ranks (one Shard(0), other placements
                Replicate) these rows are saved. Any other tensor is whole: what several ranks name must be equal on all
                of them, is sent by each and stored once, so that one rank had better name it. What load() returns has
                the form of rank 0's state; tensors that only other ranks name are read with `into`.
            save_id: the same text on all ranks, and another one for every attempt, at most 1,024 bytes.
            rank, ranks: 0 to ranks - 1, and at most 65,536.
            Others as in `save`; those of rank 0 count.

        Returns:
            Its token, and bytes. Blocks until durable.

        Raises:
            UnstorableError: as in `save`, and a distributed tensor that is divided otherwise. Nothing was sent.
            InvalidError, StorageError: see varve.errors. No version comes of it.
        """
        self._check(failures=True)
        tree_json, leaves = tree.encode(state, ranked=True)
        options = save_options(
            type=type, step=step, metrics=metrics, metadata=metadata, message=message, aliases=aliases,
            parents=parents, tree_json=tree_json if rank == 0 else "", place=rank_place(save_id, rank, ranks),
        )
        session = self._core.begin_save(text(name, "the name"), options)
        try:
            _feed(session, leaves, copy=False)
            return Part(**session.finish_part())  # `leaves` hold the memory it reads until here.
        finally:
            session.close()

    def join_parts(self, name: str, tokens: Iterable[str]) -> SaveReport:
        """Makes the next version of `name` from the parts of all ranks, whose tokens may come in any order.

        Any process may call it, again after a failure or a lost answer, and several at once: there is one version, which
        all of them get. Blocks until committed.

        Raises:
            InvalidError: a rank is missing or there twice, or tensors do not fit together; says which.
            ConflictError: two ranks wrote different bytes for one name; or the collector took a part, then save again.
            StorageError, UnknownOutcomeError: see varve.errors; join again.
        """
        self._check()
        found = [text(token, "a token") for token in ([tokens] if isinstance(tokens, str) else tokens)]
        return SaveReport(**self._core.join_parts(text(name, "the name"), found))

    def put(
        self, name: str, path: str | os.PathLike[str], *, type: str = "model", step: int | None = None,
        metrics: Mapping[str, float] | None = None, metadata: Mapping[str, Any] | None = None, message: str = "",
        aliases: str | Iterable[str] = (), parents: str | Iterable[str] = (),
    ) -> SaveReport:
        """Stores a file, or every file below a folder, as the next version of `name`. Blocks until committed.

        Raises:
            NotFoundError: nothing is at `path`. UnsupportedError: a link or special file below it.
            Others as in `save`.
        """
        self._check(failures=True)
        options = save_options(
            type=type, step=step, metrics=metrics, metadata=metadata, message=message, aliases=aliases, parents=parents
        )
        return SaveReport(**self._core.put(text(name, "the name"), text(os.fspath(path), "the path"), options))

    def wait(self) -> None:
        """Blocks until every asynchronous save has ended; raises the first failure nobody has seen."""
        self._check()
        self._committer.wait()
        self._committer.raise_failed()

    def close(self) -> None:
        """Waits for saves under way, stops the workers, raises a failure nobody has seen. Idempotent."""
        if self._closed or os.getpid() != self._owner_pid:
            return
        self._committer.wait()
        self._closed = True
        self._core.close()
        self._committer.raise_failed()

    # Loading.

    def load(self, address: str, *, into: Any = None, only: str | Iterable[str] | None = None, device: Any = None) -> Any:
        """Reads a version and verifies every byte against its digest. Blocks.

        Args:
            address: "llama", "llama@latest", "llama@v17", "llama@best".
            into: a tree of tensors and arrays to fill; shapes and dtypes must equal the stored ones, which is
                checked before any byte is read. Contiguous CPU memory is read straight into, anything else through
                a temporary. Keys are matched by their path, or by their path behind the literal folder that `only`
                starts with: only="model/*" fills into=model.state_dict(). What is not in `into` is not read.
            only: glob or globs of tensor paths, "*" matching "/" as well; the rest is neither read nor returned.
            device: torch device of the returned tensors; default CPU. Not with `into`.

        Returns:
            The saved state, or `into` when it was given. Tensors are fresh, row-major, without gradient.

        Raises:
            NotFoundError: no such artifact, version or path, with the nearest name.
            CorruptError: damage, naming tensor and chunk; no wrong byte is returned (`into` is then unspecified).
            InvalidError: `into` does not fit, naming the path.
        """
        self._check()
        globs = loading.patterns(only)
        if into is not None and device is not None:
            raise InvalidError("give either into or device: tensors to fill are on a device already")
        version = self._core.open_at(text(address, "the address"))
        if into is None:
            return loading.read(version, address, globs, device)
        loading.fill(version, address, globs, into)
        return into

    def get(self, address: str, destination: str | os.PathLike[str]) -> None:
        """Writes the files of a version into the folder `destination`, verified; all of them or none. Blocks.

        Raises:
            AlreadyExistsError: `destination` exists and is not an empty folder.
            NotFoundError, CorruptError: as in `load`.
        """
        self._check()
        self._core.get(text(address, "the address"), text(os.fspath(destination), "the destination"))

    # History. Each call blocks for some requests.

    def ls(self) -> list[Artifact]:
        """Artifacts by name."""
        self._check()
        return [Artifact(**row) for row in self._core.artifacts()]

    def history(self, name: str, *, limit: int = 1000) -> list[Version]:
        """Versions, newest first, at most `limit`, forgotten ones included and marked.

        Raises:
            NotFoundError: no such artifact.
        """
        self._check()
        if limit < 0:
            raise InvalidError("limit must not be negative")
        return [Version(**row) for row in self._core.history(text(name, "the name"), limit)]

    versions = history

    def show(self, address: str) -> VersionDetail:
        """Everything about one version: its row, parents, metadata, all metrics, tensors and files."""
        self._check()
        info = self._core.describe_version(text(address, "the address"))
        # By number: an alias may move between the two reads.
        name = address.rpartition("@")[0] or address
        version = self._core.open_at(f"{name}@v{info['version']}")
        whole = version.info()
        for key in ("name", "type", "parents", "message", "metrics"):
            info[key] = whole[key]
        return VersionDetail(
            **info,
            metadata=json.loads(whole["metadata_json"]) if whole["metadata_json"] else {},
            tensors=[TensorInfo(*row) for row in version.tensors()],
            files=[FileInfo(*row) for row in version.files()],
        )

    def diff(self, left: str, right: str) -> Diff:
        """Tensors and files that `right` adds, removes, changes and keeps, and the bytes that both share."""
        self._check()
        found = self._core.diff(text(left, "the address"), text(right, "the address"))
        for side in ("added", "removed", "changed", "equal"):
            found[side] = [DiffItem(*row) for row in found[side]]
        return Diff(**found)

    def alias(self, name: str, alias: str, target: str | int) -> None:
        """Makes `alias` of `name` point at `target`: 17, "v17", another label or an address of `name`."""
        self._check()
        self._core.set_alias(text(name, "the name"), text(alias, "the alias"), _address(name, target))

    def unalias(self, name: str, alias: str) -> None:
        """Removes an alias."""
        self._check()
        self._core.remove_alias(text(name, "the name"), text(alias, "the alias"))

    def tag(self, name: str, tag: str, target: str | int) -> None:
        """Writes a tag once; it never moves (AlreadyExistsError)."""
        self._check()
        self._core.set_tag(text(name, "the name"), text(tag, "the tag"), _address(name, target))

    # Keeping and letting go; docs/retention.md.

    def forget(self, address: str, *, reason: str = "", grace_s: float = 7 * 86400) -> None:
        """Makes a version unreachable; for `grace_s` seconds it can be brought back, then the collector may take it.

        Raises:
            ConflictError: an alias, tag, pin or hold names it.
        """
        self._check()
        if not 0 <= grace_s <= 3e9:
            raise InvalidError("grace_s is 0 to 3e9")
        _core.forget(self._core, text(address, "the address"), text(reason, "the reason"), int(grace_s * 1000))

    def undelete(self, address: str) -> None:
        """Brings back a forgotten version ("llama@v3"), or the components that retention let go of it.

        Raises:
            GoneError: the collector took, or began to take, some of its bytes.
        """
        self._check()
        _core.undelete(self._core, text(address, "the address"))

    def pin(self, address: str, *, owner: str = "", for_s: float | None = None, reason: str = "") -> None:
        """Keeps a version for `owner` (you unless given), for so many seconds or until `unpin`. No policy passes it."""
        self._check()
        if for_s is not None and not 0 < for_s <= 3e9:
            raise InvalidError("for_s is positive")
        count = 0 if for_s is None else int(for_s * 1000)
        _core.pin(self._core, text(address, "the address"), text(owner, "the owner"), count, text(reason, "the reason"), False)

    def unpin(self, address: str, *, owner: str = "") -> None:
        """Lifts a pin of `owner`."""
        self._check()
        _core.unpin(self._core, text(address, "the address"), text(owner, "the owner"))

    def lease(self, address: str, *, owner: str = "") -> Lease:
        """Keeps a version from retention while you read it: `with lake.lease("llama@best") as lease: lake.load(lease.address)`.

        Renewed until it is released, over in six hours when this process dies. For readers that may write the head.
        """
        self._check()
        return Lease(self._core, text(address, "the address"), text(owner, "the owner"))

    def annotate(
        self, address: str, *, metrics: Mapping[str, float] | None = None, run_state: str = "", owner: str = "",
    ) -> None:
        """Adds what was learned after a save; policies judge by it from then on. One conditional write.

        Args:
            metrics: of the version, at most 16 added in all; stronger than those given when it was saved.
            run_state: of the artifact's run: "running", "preempted", "finished", "failed" or "unknown".
            owner: of the artifact's run.
        """
        self._check()
        found = {text(key, "a metric", 200): float(value) for key, value in (metrics or {}).items()}
        _core.annotate(self._core, text(address, "the address"), found, text(run_state, "the state"), text(owner, "the owner"))

    def hold(self, address: str, *, owner: str = "", reason: str = "") -> None:
        """Keeps a version until `unhold`; no policy and no date passes it."""
        self._check()
        _core.hold(self._core, text(address, "the address"), text(owner, "the owner"), text(reason, "the reason"))

    def unhold(self, address: str, *, owner: str = "") -> None:
        """Lifts a hold of `owner`."""
        self._check()
        _core.unhold(self._core, text(address, "the address"), text(owner, "the owner"))

    def set_policy(self, policy: str | None) -> int:
        """Stores the policy that plans use when they are given none, as the next version of "retention/policy".

        None ends it. Returns the version.

        Raises:
            InvalidError: it does not parse; gives line and column.
        """
        self._check()
        return _core.store_policy(self._core, "" if policy is None else text(policy, "the policy"))

    def policy(self) -> str:
        """The stored policy, in its one spelling.

        Raises:
            NotFoundError: none is stored.
        """
        self._check()
        return _core.load_policy(self._core)

    def plan_retention(
        self, policy: str | None = None, names: str | Iterable[str] = (), *, prices: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """What `policy` would let go of `names` (all unless given), and why; changes nothing.

        Args:
            policy: in the language of docs/retention.md; the stored one unless given.
            prices: a file of prices over those shipped with varve.

        Raises:
            InvalidError: with line and column; also for a metric no version has, and a policy that would empty a group.
        """
        self._check()
        chosen = [names] if isinstance(names, str) else list(names)
        rules = self.policy() if policy is None else text(policy, "the policy")
        file = "" if prices is None else text(os.fspath(prices), "the prices")
        found: dict[str, Any] = json.loads(_core.plan_retention(self._core, rules, chosen, file))
        return found

    def apply_retention(self, plan: Mapping[str, Any], *, ack: str = "", canary: bool = True) -> dict[str, Any]:
        """Carries out a plan: one conditional write per artifact.

        Args:
            ack: the plan's id, for one that passes its limit.
            canary: the first plan of a policy that lets more than ten versions go lets 1 % of them go, and the rest
                waits for a plan a day later; False: all at once.

        Raises:
            ConflictError: the lake moved on since; says what changed. InvalidError: older than a day, or edited.
        """
        self._check()
        return _core.apply_retention(self._core, json.dumps(plan), text(ack, "ack"), canary)

    def verify(self, address: str) -> Verification:
        """Reads and hashes again everything a version names. Damage is a result, not an exception.

        What is found whole is recorded in the lake for the floors of retention, where this process may write.
        """
        self._check()
        found = self._core.verify(text(address, "the address"))
        found["damage"] = [Damage(*row) for row in found["damage"]]
        return Verification(**found)

    def fsck(self, *, deep: bool = False, budget_bytes: int = 0, cursor: str = "", repair: bool = False) -> Health:
        """What is damaged in the lake; a result, not an exception. Writes nothing unless `repair`.

        Args:
            deep: hash every byte again; else records, lengths and footers.
            budget_bytes: stop after so many bytes of packs; go on with the `cursor` of the result. 0: all.
            repair: mend what has a whole copy elsewhere in the lake. Only adds, never deletes.
        """
        self._check()
        found = self._core.fsck(bool(deep), int(budget_bytes), text(cursor, "the cursor"), bool(repair))
        found["findings"] = [Finding(*row) for row in found["findings"]]
        return Health(**found)

    def copy_from(self, source: Lake, address: str) -> CopyReport:
        """Copies a version ("llama@v3"), or all live ones of a name, from another lake, keeping commit ids.

        Versions that are here already are skipped. Their aliases, tags and metrics learned after the save come along where
        this lake has none of that name; pins and holds do not. Blocks.
        """
        self._check()
        source._check()
        return CopyReport(*self._core.copy_from(source._core, text(address, "the address")))

    # Inside.

    def _check(self, *, failures: bool = False) -> None:
        if os.getpid() != self._owner_pid:
            raise InvalidError("this lake was opened before a fork; open it again in this process")
        if self._closed:
            raise InvalidError("the lake is closed")
        if failures:
            self._committer.raise_failed()


def _feed(session: Any, leaves: list[tree.Leaf], *, copy: bool) -> None:
    """Hands the tensors to a session, in batches; with `copy` their bytes were copied when it returns."""
    batch: list[tuple[str, str, list[int], int, int, bool, tuple[int, int] | None]] = []
    owners: list[Any] = []
    temporary_bytes = 0

    def flush() -> None:
        nonlocal temporary_bytes
        if batch:
            session.add_tensors(batch)
        batch.clear()
        owners.clear()
        temporary_bytes = 0

    for leaf in leaves:
        if leaf.same is not None:
            flush()
            session.add_alias(leaf.name, leaf.same)
            continue
        owner, address, count, is_copy = dtypes.host_view(leaf.value)
        owners.append(owner)
        shape = [int(n) for n in leaf.value.shape]
        # A temporary copy must not pile up until the commit.
        batch.append((leaf.name, dtypes.name_of(leaf.value), shape, address, count, copy or is_copy, leaf.slab))
        temporary_bytes += count if is_copy else 0
        if temporary_bytes >= _TEMPORARY_BYTES_MAX:
            flush()
    flush()


def init(location: str | os.PathLike[str] | None = None, *, single_writer: bool = False) -> None:
    """Makes a lake in an empty folder or S3 prefix; default is the variable VARVE_LAKE. Blocks.

    Args:
        single_writer: make it also on a store where two writers at once would lose versions; see `open`.

    Raises:
        AlreadyExistsError: one is there. InvalidError: the place holds something else.
        UnsupportedError: the store does not hold its conditions, so that writers could not share the lake.
    """
    _core.init(_location(location), single_writer)


def open(  # noqa: A001 - the name people expect.
    location: str | os.PathLike[str] | None = None, *, create: bool = False, cpu_threads: int = 0,
    memory_bytes: int = 1 << 30, compress: bool = True, single_writer: bool = False,
) -> Lake:
    """Opens a lake: "s3://bucket/prefix" or a folder; default is the variable VARVE_LAKE. Blocks.

    Args:
        create: make the lake when there is none.
        cpu_threads: for hashing and encoding; 0: all cores (an eighth of them, at low priority, for save_async).
        memory_bytes: cap of one save or load beyond the caller's own tensors, at least 64 MiB (67,108,864).
        compress: store weights as coded byte planes where that is smaller.
        single_writer: your word that nobody else writes to this lake meanwhile: needed to save where
            `varve doctor` refused shared writing.

    Raises:
        NotFoundError: no lake is there. AccessError, StorageError: the store refuses or does not answer.
        UnsupportedError: with `create`, on a store where writers cannot share a lake.
    """
    where = _location(location)
    if not 0 <= cpu_threads <= 4096 or not 0 < memory_bytes < 1 << 63:
        raise InvalidError("cpu_threads is 0 to 4096; memory_bytes is positive")
    try:
        return Lake(_core.open(where, cpu_threads, memory_bytes, compress, single_writer), memory_bytes)
    except NotFoundError:
        if not create:
            raise
    try:
        _core.init(where, single_writer)
    except AlreadyExistsError:
        pass  # Another process was faster.
    return Lake(_core.open(where, cpu_threads, memory_bytes, compress, single_writer), memory_bytes)
