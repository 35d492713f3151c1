"""State trees to JSON and back (docs/format.md, Typed tree). No pickle: what has no form is refused."""

from __future__ import annotations

import base64
import collections
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .errors import CorruptError, UnsupportedError

__all__ = ["Leaf", "decode", "encode", "flatten"]

_DEPTH_MAX = 100


class Leaf:
    """A tensor or array found in a tree: `name` is its path, `same` the earlier path it is a view of."""

    __slots__ = ("name", "same", "value")

    def __init__(self, name: str, value: Any, same: str | None) -> None:
        self.name, self.value, self.same = name, value, same


def _escape(key: str) -> str:
    if key in (".", ".."):
        return key.replace(".", "%2E")
    if not key:
        return "%"
    return "".join(c if c not in "/%\\" and ord(c) >= 32 and ord(c) != 127 else f"%{ord(c):02X}" for c in key)


class _Encoder:
    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self._names: set[str] = set()
        self._views: dict[tuple[Any, ...], str] = {}
        self._open: set[int] = set()

    def _unique(self, path: str) -> str:
        name, count = path or "%", 2
        while name in self._names:
            name, count = f"{path}~{count}", count + 1
        self._names.add(name)
        return name

    def _tensor(self, value: Any, path: str, form: str) -> Any:
        reason = dtypes.refusal(value)
        if reason:
            raise UnsupportedError(f"cannot save '{path}': {reason}")
        name = self._unique(path)
        view = dtypes.view_key(value)
        same = self._views.setdefault(view, name) if view is not None else name
        if same != name:
            self.leaves.append(Leaf(name, value, same))
            return {form: name, "same": same}
        self.leaves.append(Leaf(name, value, None))
        return {form: name}

    def node(self, value: Any, path: str, depth: int = 0) -> Any:
        if depth > _DEPTH_MAX:
            raise UnsupportedError(f"cannot save '{path[:200]}...': nested deeper than {_DEPTH_MAX} levels")
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is int:
            return {"i": str(value)}
        if kind is float:
            return {"f": value.hex() if math.isfinite(value) else str(value)}
        if kind is str:
            try:
                value.encode()
            except UnicodeEncodeError:
                raise UnsupportedError(f"cannot save '{path}': the text is not Unicode") from None
            return {"s": value}
        if kind in (bytes, bytearray):
            return {"b": base64.b64encode(value).decode()}
        if kind is complex:
            return {"c": [self.node(value.real, path), self.node(value.imag, path)]}
        if dtypes.is_tensor(value):
            return self._tensor(value, path, "T")
        if isinstance(value, np.ndarray):
            return self._tensor(value, path, "A")
        if isinstance(value, np.generic):
            if value.dtype.hasobject or value.dtype.kind not in "biufc":
                raise UnsupportedError(f"cannot save '{path}': numpy type {value.dtype} has no form here")
            return {"np": [str(value.dtype), self.node(value.item(), path)]}
        special = dtypes.encode_special(value)
        if special is not None:
            return special
        if id(value) in self._open:
            raise UnsupportedError(f"cannot save '{path}': it contains itself")
        self._open.add(id(value))
        try:
            return self._container(value, kind, path, depth)
        finally:
            self._open.discard(id(value))

    def _container(self, value: Any, kind: type, path: str, depth: int) -> Any:
        def below(key: str) -> str:
            return f"{path}/{_escape(key)}" if path else _escape(key)

        if kind is dict or kind is collections.OrderedDict:
            pairs = []
            for key, child in value.items():
                if type(key) not in (str, int, bool, float, bytes, tuple, type(None)):
                    raise UnsupportedError(f"cannot save '{path}': a key of type {type(key).__name__}")
                pairs.append([self.node(key, path, depth + 1), self.node(child, below(str(key)), depth + 1)])
            return {"o" if kind is collections.OrderedDict else "d": pairs}
        if kind in (list, tuple):
            return {"l" if kind is list else "t": [self.node(c, below(str(i)), depth + 1) for i, c in enumerate(value)]}
        if kind in (set, frozenset):
            return {"set": [self.node(c, path, depth + 1) for c in sorted(value, key=repr)]}
        raise UnsupportedError(
            f"cannot save '{path or '(the root)'}': {kind.__module__}.{kind.__qualname__} has no form without pickle;"
            " save its state_dict() or plain values instead"
        )


def encode(state: Any) -> tuple[str, list[Leaf]]:
    """Returns the tree as JSON and its tensors in order. Copies nothing.

    Raises:
        UnsupportedError: something in it cannot be stored; the message gives its path.
    """
    encoder = _Encoder()
    root = encoder.node(state, "")
    return json.dumps(root, separators=(",", ":"), allow_nan=False), encoder.leaves


def decode(text: str, tensor: Callable[[str, str], Any], keep: Callable[[str], bool] | None = None) -> Any:
    """Builds the state from JSON; `tensor(form, name)` gives each tensor or array.

    With `keep`, branches that hold no kept tensor are left out.
    """
    missing = object()

    def build(node: Any) -> Any:
        if node is None or isinstance(node, bool):
            return missing if keep else node
        if not isinstance(node, dict) or not node:
            raise CorruptError("the state tree of the version is damaged")
        form = next(iter(node))
        body = node[form]
        if form in ("T", "A"):
            if keep and not keep(body):
                return missing
            return tensor(form, str(node.get("same", body)))
        if form in ("d", "o"):
            pairs = [(plain(k), build(v)) for k, v in body]
            kept = [(k, v) for k, v in pairs if v is not missing]
            if keep and not kept:
                return missing
            return collections.OrderedDict(kept) if form == "o" else dict(kept)
        if form in ("l", "t"):
            items = [v for v in (build(c) for c in body) if v is not missing]
            if keep and not items:
                return missing
            return items if form == "l" else tuple(items)
        return missing if keep else plain(node)

    def plain(node: Any) -> Any:
        if node is None or isinstance(node, bool):
            return node
        form = next(iter(node))
        body = node[form]
        if form == "i":
            return int(body)
        if form == "f":
            return float(body) if body in ("nan", "inf", "-inf") else float.fromhex(body)
        if form == "s":
            return body
        if form == "b":
            return base64.b64decode(body)
        if form == "c":
            return complex(plain(body[0]), plain(body[1]))
        if form == "t":
            return tuple(plain(c) for c in body)
        if form == "set":
            return {plain(c) for c in body}
        if form == "np":
            return np.dtype(body[0]).type(plain(body[1]))
        return dtypes.decode_special(form, body)

    result = build(json.loads(text))
    return {} if result is missing else result


def flatten(state: Any) -> dict[str, Any]:
    """Every tensor and array of a tree by its path."""
    return {leaf.name: leaf.value for leaf in encode(state)[1]}
