"""What calls return: frozen rows. A field may be read as `row.field` or `row["field"]`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = [
    "Artifact", "CopyReport", "Damage", "Diff", "DiffItem", "FileInfo", "Finding", "Health", "Part", "SaveReport", "TensorInfo", "Verification",
    "Version", "VersionDetail",
]


class _Row:
    def __getitem__(self, field: str) -> Any:
        if field not in self.__dataclass_fields__:  # type: ignore[attr-defined]
            raise KeyError(field)
        return getattr(self, field)


@dataclasses.dataclass(frozen=True)
class SaveReport(_Row):
    """What a save did. Bytes are counts of bytes, times are seconds since the save began."""

    version: int
    commit_id: str
    logical_bytes: int
    stored_bytes: int  # Added to the lake by this save, its metadata included.
    shared_bytes: int  # Not sent, because the lake had them.
    objects_written: int
    staged_s: float  # The state was handed over: an asynchronous save returned.
    durable_s: float
    committed_s: float


@dataclasses.dataclass(frozen=True)
class Part(_Row):
    """What a rank saved of a version that `Lake.join_parts` makes; pass `token` on to whoever does."""

    token: str  # One line.
    logical_bytes: int
    stored_bytes: int
    shared_bytes: int
    objects_written: int
    staged_s: float
    durable_s: float


@dataclasses.dataclass(frozen=True)
class Version(_Row):
    """One row of a history. `time_ms` is Unix time in milliseconds; `forgotten` the reason, None for a live one."""

    version: int
    commit_id: str
    time_ms: int
    step: int | None
    logical_bytes: int
    stored_bytes: int
    metrics: Mapping[str, float]  # In a history the first 16 by name; all of them in `Lake.show`.
    message: str
    aliases: list[str]
    tags: list[str]
    forgotten: str | None
    let_go: list[str]  # Components that retention let go: what is left loads, but is no state to resume from.
    verified_ms: int | None  # When all its bytes were last read and hashed.
    tombstone: Mapping[str, Any] | None  # Of a forgotten one: time_ms, by, policy, reason, until_ms.


@dataclasses.dataclass(frozen=True)
class TensorInfo(_Row):
    """A stored tensor or array: `dtype` is a name of docs/format.md such as "bf16", `digest` 64 hex letters."""

    path: str
    dtype: str
    shape: list[int]
    bytes: int
    digest: str


@dataclasses.dataclass(frozen=True)
class FileInfo(_Row):
    """A stored file."""

    path: str
    bytes: int
    executable: bool
    digest: str


@dataclasses.dataclass(frozen=True)
class VersionDetail(Version):
    """Everything about one version except its bytes. `parents` are commit ids."""

    name: str
    type: str
    parents: list[str]
    metadata: Mapping[str, Any]
    tensors: list[TensorInfo]
    files: list[FileInfo]


@dataclasses.dataclass(frozen=True)
class Artifact(_Row):
    """A name in the lake. `time_ms` and `logical_bytes` are those of the newest version; labels map to versions."""

    name: str
    type: str
    versions: int
    last_version: int
    time_ms: int
    logical_bytes: int
    aliases: Mapping[str, int]
    tags: Mapping[str, int]


class DiffItem(NamedTuple):
    """A tensor or file of a diff; `shared_bytes` are those of chunks that both sides hold."""

    path: str
    bytes: int
    shared_bytes: int


@dataclasses.dataclass(frozen=True)
class Diff(_Row):
    """Tensors and files of two versions, by path."""

    added: list[DiffItem]
    removed: list[DiffItem]
    changed: list[DiffItem]
    equal: list[DiffItem]
    bytes_shared: int
    bytes_only_left: int
    bytes_only_right: int


class Damage(NamedTuple):
    """A chunk that is not what it should be."""

    path: str
    chunk: str
    object: str
    what: str


@dataclasses.dataclass(frozen=True)
class Verification(_Row):
    """What `Lake.verify` read. `damage` is empty when every byte is right, and holds at most 1,000 rows."""

    items: int
    chunks: int
    raw_bytes: int
    read_bytes: int
    recorded: bool  # The lake remembers that all was well.
    damage: list[Damage]


class Finding(NamedTuple):
    """One thing that a check found; docs/repair.md says what each kind means."""

    kind: str
    harm: str
    object: str
    detail: str
    affected: list[str]
    repaired: bool
    repair: str


@dataclasses.dataclass(frozen=True)
class Health(_Row):
    """What `Lake.fsck` found. `cursor` is empty when every pack was looked at."""

    versions: int
    packs: int
    packs_checked: int
    read_bytes: int
    cursor: str
    findings: list[Finding]


class CopyReport(NamedTuple):
    """What `Lake.copy_from` did."""

    versions_copied: int
    versions_skipped: int
    bytes_sent: int
    labels_set: int
