"""State trees to JSON and back (docs/format.md, Typed tree). No pickle: what has no form is refused."""

from __future__ import annotations

import base64
import collections
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes, slabs
from .errors import CorruptError, UnstorableError, VarveError

__all__ = ["Leaf", "decode", "encode", "flatten"]

_DEPTH_MAX = 80  # A level of a dict is three of JSON, of which the format allows 250.
_NODES_MAX = 20_000_000  # Stops a list that repeats itself exponentially.
_JSON_BYTES_MAX = 256 << 20
_NAME_BYTES_MAX, _NAME_PARTS_MAX = 1024, 64
_MISSING = object()


class Leaf:
    """A tensor or array found in a tree: `name` is its path, `same` the earlier path it is a view of.

    `slab` is the first row of `value` and the rows of the whole tensor, when other ranks hold the others.
    """

    __slots__ = ("name", "same", "slab", "value")

    def __init__(self, name: str, value: Any, same: str | None, slab: tuple[int, int] | None = None) -> None:
        self.name, self.value, self.same, self.slab = name, value, same, slab


def _escape(key: str) -> str:
    if key in (".", ".."):
        return key.replace(".", "%2E")
    if not key:
        return "%"
    return "".join(c if c not in "/%\\" and ord(c) >= 32 and ord(c) != 127 else f"%{ord(c):02X}" for c in key)


def _refuse(path: str, why: str) -> UnstorableError:
    shown = path if len(path) <= 300 else path[:300] + "..."
    shown = shown.encode("utf-8", "backslashreplace").decode()
    return UnstorableError(f"cannot save '{shown or '(the root)'}': {why}")


class _Encoder:
    def __init__(self, *, ranked: bool) -> None:
        self._ranked = ranked
        self.leaves: list[Leaf] = []
        self._names: set[str] = set()
        self._views: dict[tuple[Any, ...], str] = {}
        self._open: set[int] = set()
        self._nodes = 0

    def _tensor(self, value: Any, path: str, form: str) -> dict[str, str]:
        slab = None
        if self._ranked and slabs.is_distributed(value):
            found = slabs.slab_of(value)
            if isinstance(found, str):
                raise _refuse(path, found)
            value = found.local
            slab = None if found.rows is None else (found.first_row, found.rows)
        reason = dtypes.refusal(value)
        if reason:
            raise _refuse(path, reason)
        stem = name = path or "%"
        count = 2
        while name in self._names:
            name, count = f"{stem}~{count}", count + 1
        if len(name.encode()) > _NAME_BYTES_MAX or name.count("/") >= _NAME_PARTS_MAX:
            raise _refuse(path, f"its path is longer than {_NAME_BYTES_MAX} bytes or {_NAME_PARTS_MAX} parts")
        self._names.add(name)
        view = dtypes.view_key(value)
        same = self._views.setdefault((view, slab), name) if view is not None else name
        self.leaves.append(Leaf(name, value, same if same != name else None, slab))
        return {form: name} if same == name else {form: name, "same": same}

    def _plain(self, value: Any, path: str) -> Any:
        """The node of a value that holds nothing else, or _MISSING."""
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is int:
            try:
                return {"i": str(value)}
            except ValueError:
                raise _refuse(path, "the number has too many digits") from None
        if kind is float:
            return {"f": value.hex() if math.isfinite(value) else str(value)}
        if kind is str:
            try:
                value.encode()
            except UnicodeEncodeError:
                raise _refuse(path, "the text is not Unicode; save its bytes") from None
            return {"s": value}
        if kind is bytes:
            return {"b": base64.b64encode(value).decode()}
        if kind is complex:
            return {"c": [self._plain(value.real, path), self._plain(value.imag, path)]}
        if isinstance(value, np.generic):
            if value.dtype.name not in dtypes.NUMPY_NAMES:
                raise _refuse(path, f"numpy type {value.dtype} has no form without pickle")
            return {"np": [value.dtype.name, self._plain(value.item(), path)]}
        special = dtypes.encode_special(value)
        return _MISSING if special is None else special

    def _key(self, key: Any, path: str, what: str, depth: int) -> Any:
        """The node of a dict key or a set member."""
        if depth > _DEPTH_MAX:
            raise _refuse(path, f"nested deeper than {_DEPTH_MAX} levels")
        self._nodes += 1
        if type(key) is tuple:
            return {"t": [self._key(each, path, what, depth + 1) for each in key]}
        if type(key) not in (str, int, bool, float, bytes, type(None)):
            raise _refuse(path, f"{what} of type {type(key).__qualname__}; use text, numbers, bytes or tuples of them")
        return self._plain(key, path)

    def node(self, value: Any, path: str, depth: int = 0) -> Any:
        self._nodes += 1
        if self._nodes > _NODES_MAX:
            raise _refuse(path, f"the state has more than {_NODES_MAX} values")
        if depth > _DEPTH_MAX:
            raise _refuse(path, f"nested deeper than {_DEPTH_MAX} levels")
        if dtypes.is_tensor(value):
            return self._tensor(value, path, "T")
        if isinstance(value, np.ndarray):
            return self._tensor(value, path, "A")
        plain = self._plain(value, path)
        if plain is not _MISSING:
            return plain
        if id(value) in self._open:
            raise _refuse(path, "it contains itself")
        self._open.add(id(value))
        try:
            return self._container(value, path, depth)
        finally:
            self._open.discard(id(value))

    def _container(self, value: Any, path: str, depth: int) -> dict[str, Any]:
        def below(key: str) -> str:
            return f"{path}/{_escape(key)}" if path else _escape(key)

        kind = type(value)
        if kind is dict or kind is collections.OrderedDict:
            pairs = []
            for key, child in list(value.items()):
                node = self._key(key, path, "a key", depth + 1)
                shown = key.decode("latin-1") if type(key) is bytes else str(key)
                try:
                    shown.encode()
                except UnicodeEncodeError:
                    raise _refuse(path, "the text in a key is not Unicode") from None
                pairs.append([node, self.node(child, below(shown), depth + 1)])
            return {"o" if kind is collections.OrderedDict else "d": pairs}
        if kind is list or kind is tuple:
            nodes = [self.node(child, below(str(i)), depth + 1) for i, child in enumerate(value)]
            return {"l" if kind is list else "t": nodes}
        if kind is set:
            return {"set": [self._key(each, path, "a set member", depth + 1) for each in sorted(value, key=repr)]}
        raise _refuse(
            path, f"{kind.__module__}.{kind.__qualname__} has no form without pickle; save its state_dict() or plain values"
        )


def encode(state: Any, *, ranked: bool = False) -> tuple[str, list[Leaf]]:
    """Returns the tree as JSON and its tensors in order. Copies nothing. `ranked`: of what other ranks hold too, this one's.

    Raises:
        UnstorableError: something in it cannot be stored; the message gives its path.
    """
    encoder = _Encoder(ranked=ranked)
    text = json.dumps(encoder.node(state, ""), separators=(",", ":"), allow_nan=False)
    if len(text) > _JSON_BYTES_MAX:
        raise _refuse("", f"its plain values take {len(text)} bytes of JSON, at most {_JSON_BYTES_MAX}; use arrays")
    return text, encoder.leaves


def _decode_plain(node: Any) -> Any:
    if node is None or isinstance(node, bool):
        return node
    if not isinstance(node, dict) or not node:
        raise TypeError("no node")
    form = next(iter(node))
    body = node[form]
    if form == "i":
        return int(body)
    if form == "f":
        return float(body) if body in ("nan", "inf", "-inf") else float.fromhex(body)
    if form == "s":
        return str(body)
    if form == "b":
        return base64.b64decode(body, validate=True)
    if form == "c":
        return complex(_decode_plain(body[0]), _decode_plain(body[1]))
    if form == "t":
        return tuple(_decode_plain(each) for each in body)
    if form == "set":
        return {_decode_plain(each) for each in body}
    if form == "np":
        if body[0] not in dtypes.NUMPY_NAMES:  # numpy would parse any text.
            raise TypeError("no numpy scalar")
        return np.dtype(body[0]).type(_decode_plain(body[1]))
    return dtypes.decode_special(form, body)


def decode(text: str, tensor: Callable[[str, str, str], Any], keep: Callable[[str], bool] | None = None) -> Any:
    """Builds the state from JSON; `tensor(form, name, first)` gives each tensor or array.

    `first` is the name it shares, or `name`. With `keep`, what is no kept tensor is left out, and so are containers
    without one; items of a list then move up.

    Raises:
        CorruptError: the JSON is no state tree. UnsupportedError: a node of a newer varve.
    """

    def build(node: Any) -> Any:
        if not isinstance(node, dict):
            return _MISSING if keep else _decode_plain(node)
        form = next(iter(node), "")
        if form in ("T", "A"):
            name = str(node[form])
            if keep and not keep(name):
                return _MISSING
            return tensor(form, name, str(node.get("same", name)))
        if form in ("d", "o"):
            pairs = [(_decode_plain(key), build(child)) for key, child in node[form]]
            kept = [(key, child) for key, child in pairs if child is not _MISSING]
            if keep and not kept:
                return _MISSING
            return collections.OrderedDict(kept) if form == "o" else dict(kept)
        if form in ("l", "t"):
            items = [child for child in (build(each) for each in node[form]) if child is not _MISSING]
            if keep and not items:
                return _MISSING
            return items if form == "l" else tuple(items)
        return _MISSING if keep else _decode_plain(node)

    try:
        result = build(json.loads(text))
    except VarveError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise CorruptError(f"the state tree of the version is damaged: {error}") from None
    return {} if result is _MISSING else result


def flatten(state: Any) -> list[Leaf]:
    """Every tensor and array of a tree, in order.

    Raises:
        UnstorableError: as `encode`.
    """
    return encode(state)[1]
