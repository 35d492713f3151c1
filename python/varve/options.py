"""Checks of what a caller passes, before anything is read or sent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import InvalidError

__all__ = ["address", "location", "rank_place", "save_options", "text"]

_MESSAGE_BYTES_MAX = 4096
_METADATA_BYTES_MAX = 1 << 20
_METADATA_DEPTH_MAX = 32
_METRICS_MAX = 1024
_METRIC_NAME_BYTES_MAX = 200
_RANKS_MAX = 65_536
_SAVE_ID_BYTES_MAX = 1024


def text(value: Any, what: str, bytes_max: int | None = None) -> str:
    """`value`, checked to be Unicode text."""
    if not isinstance(value, str):
        raise InvalidError(f"{what} must be text, not {type(value).__name__}")
    try:
        count = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidError(f"{what} {value!a} is not Unicode text") from None
    if bytes_max is not None and count > bytes_max:
        raise InvalidError(f"{what} has {count} bytes; at most {bytes_max}")
    return value


def address(name: str, target: Any) -> str:
    """The address of `target`, which is a version, "v17", a label, or an address, in artifact `name`."""
    if isinstance(target, int) and not isinstance(target, bool):
        target = f"v{target}"
    target = text(target, "the target")
    return target if "@" in target else f"{text(name, 'the name')}@{target}"


def location(place: str | os.PathLike[str] | None) -> str:
    """The lake to use: `place`, or the variable VARVE_LAKE."""
    found = os.fspath(place) if place is not None else os.environ.get("VARVE_LAKE", "")
    if not found:
        raise InvalidError("no lake was named; give s3://bucket/prefix or a folder, or set VARVE_LAKE")
    return text(found, "the location")


def _labels(labels: str | Iterable[str], what: str) -> list[str]:
    return [text(label, what) for label in ([labels] if isinstance(labels, str) else labels)]


def _metadata(metadata: Mapping[str, Any] | None) -> str:
    if not metadata:
        return ""
    if not isinstance(metadata, Mapping):
        raise InvalidError(f"metadata must be a dict, not {type(metadata).__name__}")
    try:
        found = json.dumps(dict(metadata), allow_nan=False, ensure_ascii=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidError(f"metadata must be a JSON object: {error}") from None
    depth = deepest = 0
    inside = escaped = False
    for letter in found:
        if inside:
            inside, escaped = escaped or letter != '"', letter == "\\" and not escaped
        elif letter == '"':
            inside = True
        elif letter in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "}]":
            depth -= 1
    if len(found) > _METADATA_BYTES_MAX or deepest > _METADATA_DEPTH_MAX:
        raise InvalidError(f"metadata is at most {_METADATA_BYTES_MAX} bytes and {_METADATA_DEPTH_MAX} levels of JSON")
    return found


def _metrics(metrics: Mapping[str, float] | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in (metrics or {}).items():
        name = text(key, "a metric's name", _METRIC_NAME_BYTES_MAX)
        if not name:
            raise InvalidError("a metric's name is empty")
        try:
            found[name] = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            raise InvalidError(f"metric '{name}' must be a number, not {type(value).__name__}") from None
    if len(found) > _METRICS_MAX:
        raise InvalidError(f"a version has at most {_METRICS_MAX} metrics")
    return found


def rank_place(save_id: str, rank: int, ranks: int) -> tuple[str, int, int]:
    """The place of a process among those that save one version.

    Raises:
        InvalidError: it is none.
    """
    try:
        rank, ranks = rank.__index__(), ranks.__index__()
    except AttributeError:
        raise InvalidError("rank and ranks must be ints") from None
    if not 0 <= rank < ranks <= _RANKS_MAX:
        raise InvalidError(f"rank is 0 to ranks - 1, and ranks at most {_RANKS_MAX}")
    return text(save_id, "the save id", _SAVE_ID_BYTES_MAX), rank, ranks


def save_options(
    *, type: str, step: int | None, metrics: Mapping[str, float] | None, metadata: Mapping[str, Any] | None,
    message: str, aliases: str | Iterable[str], parents: str | Iterable[str], tree_json: str = "",
    background: bool = False, memory_bytes: int = 0, place: tuple[str, int, int] | None = None,
) -> dict[str, Any]:
    """The options of a save as the core takes them.

    Raises:
        InvalidError: one of them is wrong; says which.
    """
    if step is not None:
        try:
            step = step.__index__()
        except AttributeError:
            raise InvalidError("step must be an int") from None
        if not -(1 << 63) <= step < 1 << 63:
            raise InvalidError("step must fit 64 bits")
    return {
        "type": text(type, "the type"), "step": step, "message": text(message, "the message", _MESSAGE_BYTES_MAX),
        "metadata_json": _metadata(metadata), "metrics": _metrics(metrics), "parents": _labels(parents, "a parent"),
        "aliases": _labels(aliases, "an alias"), "tree_json": tree_json, "background": background,
        "memory_bytes": memory_bytes, "place": place,
    }
