"""From a stored version to tensors: whole, selected, or into memory that is there already."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable
from typing import Any

from . import dtypes, tree
from .errors import CorruptError, InvalidError, NotFoundError

__all__ = ["fill", "patterns", "read"]


class _Stored:
    """The tensors of an open version, those that `only` selects, and the reads still to do."""

    def __init__(self, version: Any, address: str, globs: list[str] | None) -> None:
        self.version, self.address = version, address
        self.rows = {row[0]: (index, row) for index, row in enumerate(version.tensors())}
        self.chosen = set(self.rows) if globs is None else {n for n in self.rows if _matches(n, globs)}
        if globs is not None and not self.chosen:
            raise NotFoundError(f"no tensor of '{address}' matches {globs}{self._near(globs[0] if globs else '')}")

    def row(self, path: str, tried: list[str]) -> tuple[int, Any]:
        for name in tried:
            if name in self.chosen:
                return self.rows[name]
        raise NotFoundError(f"'{self.address}' has no tensor for '{path}'{self._near(tried[-1])}")

    def _near(self, name: str) -> str:
        names = list(self.rows)[:10_000]
        close = difflib.get_close_matches(name, names, 1, 0) if names else []
        return f"; the nearest is '{close[0]}'" if close else "; it has no tensors"


def patterns(only: str | Iterable[str] | None) -> list[str] | None:
    """`only` as a list of globs."""
    if only is None:
        return None
    globs = [only] if isinstance(only, str) else list(only)
    if not all(isinstance(glob, str) for glob in globs):
        raise InvalidError("only must be a glob of tensor paths, or a list of globs")
    return globs


def read(version: Any, address: str, globs: list[str] | None, device: Any) -> Any:
    """The state of an open version, or the part that `globs` select."""
    text = version.info()["tree_json"]
    if not text:
        raise InvalidError(f"'{address}' holds files, not a state; fetch it with get()")
    stored = _Stored(version, address, globs)
    keep = stored.chosen.__contains__ if globs is not None else None
    forms: dict[str, str] = {}

    def collect(form: str, name: str, first: str) -> None:
        for each in (name, first):
            if each not in stored.rows:
                raise CorruptError(f"the state tree of '{address}' names '{each[:200]}', which is not stored")
        if stored.rows[first][1][1:5] != stored.rows[name][1][1:5] or forms.setdefault(first, form) != form:
            raise CorruptError(f"the state tree of '{address}' makes '{name[:200]}' share what it does not equal")

    tree.decode(text, collect, keep)
    values, reads = {}, []
    for name, form in forms.items():
        index, (_, dtype, shape, count, _) = stored.rows[name]
        values[name] = dtypes.empty(form, dtype, shape)
        if count:
            reads.append((index, dtypes.memory_of(values[name]), count))
    version.read_tensors(reads)
    if device is not None:
        for name, value in values.items():
            if dtypes.is_tensor(value):
                values[name] = value.to(device)
    return tree.decode(text, lambda form, name, first: values[first], keep)


def fill(version: Any, address: str, globs: list[str] | None, into: Any) -> None:
    """Fills the tensors and arrays of `into` with those of an open version; everything is checked before a read."""
    stored = _Stored(version, address, globs)
    prefixes = sorted({glob[: glob.rfind("/", 0, _first_wild(glob)) + 1] for glob in globs or []}, key=len)
    rows: dict[str, Any] = {}
    reads, copies = [], []
    for leaf in tree.flatten(into):
        path, target = leaf.name, leaf.value
        index, row = stored.row(path, [path, *(prefix + path for prefix in prefixes if prefix)])
        rows[path] = row
        _, dtype, shape, count, digest = row
        if dtypes.name_of(target) != dtype or list(target.shape) != list(shape):
            raise InvalidError(
                f"'{path}' is {dtypes.name_of(target)} {list(target.shape)}, but '{address}' stores {dtype} {list(shape)}"
            )
        reason = dtypes.target_refusal(target)
        if reason:
            raise InvalidError(f"'{path}' cannot be filled: {reason}")
        if leaf.same is not None:
            if rows[leaf.same][4] != digest:
                raise InvalidError(f"'{path}' and '{leaf.same}' are one tensor here, but differ in '{address}'")
            continue
        if not count:
            continue
        at = dtypes.memory_of(target)
        if not at:
            fresh = dtypes.empty("T" if dtypes.is_tensor(target) else "A", dtype, shape)
            copies.append((target, fresh))
            at = dtypes.memory_of(fresh)
        reads.append((index, at, count))
    version.read_tensors(reads)
    for target, fresh in copies:
        dtypes.assign(target, fresh)


def _first_wild(glob: str) -> int:
    return min((glob.find(c) for c in "*?[" if c in glob), default=len(glob))


def _matches(path: str, globs: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, glob) for glob in globs)
