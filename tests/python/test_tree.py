"""Goal: a tree of values comes back exactly, under names the format allows; anything else is refused by its path.

Method: seeded random trees through JSON and back; hostile keys, values and JSON.
"""

import collections
import json
import math
import random

import numpy as np
import pytest
import torch

from varve import _core, dtypes, errors, tree


def random_value(rng, depth, keys_only=False):
    plain = [
        lambda: rng.choice([None, True, False]), lambda: rng.randint(-(2**80), 2**80), lambda: rng.randint(-3, 3),
        lambda: rng.choice([0.0, -0.0, 1e-320, math.pi, math.inf, -math.inf, math.nan, rng.random()]),
        lambda: "".join(rng.choice("aZ/.%\\é\n\x00~ 😀") for _ in range(rng.randint(0, 6))),
        lambda: rng.randbytes(rng.randint(0, 5)),
    ]
    if keys_only:
        return rng.choice(plain)() if depth or rng.random() < 0.8 else tuple(random_value(rng, 1, True) for _ in range(2))
    plain += [
        lambda: complex(rng.random(), -0.0), lambda: np.float32(rng.random()), lambda: np.uint64(2**64 - 1),
        lambda: np.bool_(True), lambda: np.complex64(1 - 2j), lambda: torch.Size([rng.randint(0, 9)]),
        lambda: rng.choice([torch.bfloat16, torch.device("cpu"), torch.device("cuda:1")]),
        lambda: torch.tensor(rng.random()), lambda: np.arange(rng.randint(0, 4)),
        lambda: {random_value(rng, 1, True) for _ in range(3)},
    ]
    if depth > 4 or rng.random() < 0.4:
        return rng.choice(plain)()
    children = [random_value(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    kind = rng.choice([list, tuple, dict, collections.OrderedDict])
    if kind in (list, tuple):
        return kind(children)
    return kind((random_value(rng, 0, True), child) for child in children)


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, (dict, list, tuple)) and not isinstance(a, torch.Size):
        left, right = (list(x.items()) if isinstance(x, dict) else list(x) for x in (a, b))
        return len(left) == len(right) and all(same(x, y) for x, y in zip(left, right))
    if isinstance(a, (torch.Tensor, np.ndarray)):
        return a is b
    if isinstance(a, set):
        return sorted(map(repr, a)) == sorted(map(repr, b))
    if isinstance(a, (float, complex, np.generic)):
        return repr(a) == repr(b)
    return a == b


def fine_name(name):
    parts = name.split("/")
    text_ok = all(ord(c) >= 32 and ord(c) != 127 and c != "\\" for c in name)
    return text_ok and all(p not in ("", ".", "..") for p in parts) and len(parts) <= 64 and len(name.encode()) <= 1024


def test_random_trees_round_trip():
    for seed in range(600):
        state = random_value(random.Random(seed), 0)
        text, leaves = tree.encode(state)
        by_name = {leaf.name: leaf.value for leaf in leaves}
        assert len(by_name) == len(leaves) and all(fine_name(n) for n in by_name), seed
        assert same(tree.decode(text, lambda form, name, first, found=by_name: found[name]), state), seed


def test_hostile_keys_get_distinct_harmless_names():
    one = torch.ones(1)
    keys = ["..", ".", "", "%", "%2E%2E", "a/b", "a%2Fb", "\x00", "\n", "\\", "~2", 1, "1", "1~2", -1, 1.5, b"1", None, (1, "a/..")]
    state = {key: one + i for i, key in enumerate(keys)}
    names = [leaf.name for leaf in tree.flatten(state)]
    assert len(set(names)) == len(keys) and all(fine_name(name) for name in names)
    assert "%2E%2E" in names and "a%2Fb" in names and "1" in names and "1~2" in names


class Text(str):
    __slots__ = ()


class Wrapped(torch.Tensor):
    pass


def nested(levels):
    value = torch.ones(1)
    for _ in range(levels):
        value = [value]
    return value


REFUSED = {
    "function": lambda: 1, "class": Text, "subclass": Text("a"), "defaultdict": collections.defaultdict(int), "frozenset": frozenset(),
    "bytearray": bytearray(), "counter": collections.Counter(), "generator": iter([]), "objects": np.array([None]),
    "structured": np.zeros(2, dtype=[("a", "i4")]), "masked": np.ma.masked_array([1, 2], [True, False]), "text": np.array(["a"]),
    "dates": np.array(["2020-01-01"], dtype="M8[D]"), "date": np.datetime64("2020-01-01"), "long": np.longdouble(1),
    "longs": np.zeros(2, dtype=np.longdouble), "sparse": torch.eye(3).to_sparse(), "csr": torch.eye(3).to_sparse_csr(),
    "meta": torch.empty(3, device="meta"), "quantized": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "wrapped": torch.ones(2).as_subclass(Wrapped), "surrogate": "\ud800", "key": {"\ud800": 1}, "object key": {Text("a"): 1},
    "tensor key": {torch.ones(1): 1}, "tensor in a key": {(torch.ones(1),): 1}, "tensor in a set": {torch.ones(1)},
    "too deep": nested(81), "too long": {"k" * 1100: torch.ones(1)}, "module": torch.nn.Linear(1, 1), "digits": 10**5000,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_is_refused_by_its_path(name):
    with pytest.raises(errors.UnstorableError, match="cannot save 'deep/1"):
        tree.encode({"deep": [torch.ones(1), REFUSED[name]]})


def test_cycles_and_explosions_are_refused(monkeypatch):
    loop = []
    loop.append({"again": loop})
    with pytest.raises(errors.UnstorableError, match="'0/again': it contains itself"):
        tree.encode(loop)
    monkeypatch.setattr(tree, "_NODES_MAX", 1000)
    bomb = [0]
    for _ in range(60):
        bomb = [bomb, bomb]
    with pytest.raises(errors.UnstorableError, match="more than 1000 values"):
        tree.encode(bomb)


def test_the_deepest_tree_fits_the_format(lake):
    value = {"x": torch.ones(1)}
    for _ in range(60):
        value = {"k": value}
    lake.save("deep", value)
    plain = 1 + 2j
    for _ in range(80):
        plain = {"k": plain}
    lake.save("deep", plain)
    assert lake.load("deep") == plain
    assert len(tree.flatten(lake.load("deep@v1"))) == 1


def test_parameters_and_buffers_are_tensors():
    model = torch.nn.BatchNorm1d(3)
    assert [leaf.name for leaf in tree.flatten(dict(model.named_parameters()))] == ["weight", "bias"]
    if hasattr(torch.nn, "Buffer"):
        assert tree.flatten({"b": torch.nn.Buffer(torch.ones(2))})


def test_damaged_json_is_refused():
    text, leaves = tree.encode({"a": [1, 1.5, b"x", {2, 3}, np.int8(1), torch.float16, 1j, torch.Size([1]), torch.ones(2)]})
    by_name = {leaf.name: leaf.value for leaf in leaves}
    rng = random.Random(7)
    damaged = [text[:i] for i in range(len(text))] + ["[" * 100_000, '{"l":' * 400 + "1", "{}", "[]", "1", '"a"']
    for _ in range(3000):
        letters = list(text)
        letters[rng.randrange(len(letters))] = rng.choice('{}[]",:0aTn-')
        damaged.append("".join(letters))
    bodies = ["i", "f", "s", "b", "c", "t", "l", "d", "o", "set", "np", "size", "dtype", "device", "T", "A", "pickle"]
    values = [None, 1, "x", [], [1], [[]], {}, ["O", None], ["i8", {"s": "a"}], {"i": "1"}, "0x1p999999", -1, ["object", 1]]
    damaged += [json.dumps({body: value}) for body in bodies for value in values]
    for each in damaged:
        try:
            tree.decode(each, lambda form, name, first: by_name[name])
        except (errors.CorruptError, errors.UnsupportedError):
            pass


def test_dtypes_are_those_of_the_format():
    torchless = {"f6_e2m3x4", "f6_e3m2x4"}  # Of safetensors files; torch has no such dtype.
    sizes = {name: count for name, count in _core.dtype_names() if name not in torchless}
    assert list(sizes) == list(dtypes._TORCH)
    for name, count in sizes.items():
        if hasattr(torch, dtypes._TORCH[name]):
            assert dtypes.empty("T", name, []).element_size() == count
