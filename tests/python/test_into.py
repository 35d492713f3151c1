"""Goal: loading into memory that is there fills exactly what fits, and checks all of it before it reads.

Method: layouts, prefixes, mismatches and damage; the target is compared before and after.
"""

import numpy as np
import pytest
import torch

from varve import errors


@pytest.fixture
def saved(lake):
    torch.manual_seed(3)
    state = {
        "model": {"w": torch.randn(6, 4), "b": torch.randn(4).bfloat16(), "c": torch.randn(3, dtype=torch.complex64)},
        "optim": {"w": torch.randn(6, 4), "steps": np.arange(5)}, "f8": torch.randn(6).to(torch.float8_e4m3fn), "n": 3,
    }
    lake.save("m", state)
    return lake, state


def test_contiguous_memory_is_filled_in_place(saved):
    lake, state = saved
    into = {"model": {"w": torch.zeros(6, 4), "b": torch.zeros(4).bfloat16()}, "n": 0}
    places = [into["model"]["w"].data_ptr(), into["model"]["b"].data_ptr()]
    assert lake.load("m", into=into) is into
    assert [into["model"]["w"].data_ptr(), into["model"]["b"].data_ptr()] == places
    assert torch.equal(into["model"]["w"], state["model"]["w"]) and torch.equal(into["model"]["b"], state["model"]["b"])


def test_other_layouts_go_through_a_temporary(saved):
    lake, state = saved
    columns, wide = torch.zeros(4, 6).t(), torch.zeros(12, 8)[::2, ::2]
    conjugated = torch.zeros(3, dtype=torch.complex64).conj()
    f8 = torch.zeros(12).to(torch.float8_e4m3fn)[::2]
    big_endian = np.zeros(10, dtype=">i8")[::2]
    lake.load("m", into={"w": columns, "c": conjugated}, only="model/*")
    lake.load("m", into={"w": wide, "steps": big_endian}, only="optim/*")
    lake.load("m", into={"f8": f8})
    assert torch.equal(columns, state["model"]["w"]) and torch.equal(wide, state["optim"]["w"])
    assert torch.equal(conjugated.resolve_conj(), state["model"]["c"]) and list(big_endian) == [0, 1, 2, 3, 4]
    assert torch.equal(f8.view(torch.uint8) if f8.is_contiguous() else f8.contiguous().view(torch.uint8), state["f8"].view(torch.uint8))


def test_parameters_are_filled_without_autograd(lake):
    model = torch.nn.Linear(4, 2)
    lake.save("m", {"model": model.state_dict()})
    other = torch.nn.Linear(4, 2)
    lake.load("m", into=dict(other.named_parameters()), only=["model/*"])
    assert torch.equal(other.weight, model.weight) and other.weight.requires_grad and other.weight.grad_fn is None


@pytest.mark.parametrize(
    ("into", "message"),
    [({"w": torch.zeros(4, 6)}, "'w' is f32"), ({"w": torch.zeros(6, 4).double()}, "'w' is f64"),
     ({"w": torch.zeros(4).expand(6, 4)}, "'w' cannot be filled: an expanded")],
)
def test_what_does_not_fit_is_named_and_nothing_is_read(saved, into, message):
    lake, _ = saved
    first = torch.full((4,), 7.0).bfloat16()
    with pytest.raises(errors.InvalidError, match=message):
        lake.load("m", into={"b": first, **into}, only="model/*")
    assert bool((first == 7).all())


def test_read_only_missing_and_nearest(saved):
    lake, _ = saved
    steps = np.zeros(5, dtype=np.int64)
    steps.flags.writeable = False
    with pytest.raises(errors.InvalidError, match="read-only"):
        lake.load("m", into={"steps": steps}, only="optim/*")
    with pytest.raises(errors.NotFoundError, match="nearest is 'model/w'"):
        lake.load("m", into={"model": {"ww": torch.zeros(6, 4)}})
    with pytest.raises(errors.NotFoundError, match="nearest is 'optim/steps'"):
        lake.load("m", only="optim/step")
    with pytest.raises(errors.NotFoundError, match="'m'"):
        lake.load("mm")
    with pytest.raises(errors.InvalidError):
        lake.load("m", into={}, device="cpu")


def test_one_tensor_under_two_names_must_be_one_in_the_version(saved):
    lake, state = saved
    shared = torch.zeros(6, 4)
    with pytest.raises(errors.InvalidError, match="differ"):
        lake.load("m", into={"model": {"w": shared}, "optim": {"w": shared}})
    lake.save("tied", {"a": state["model"]["w"], "b": state["model"]["w"]})
    lake.load("tied", into={"a": shared, "b": shared})
    assert torch.equal(shared, state["model"]["w"])


def test_only_keeps_structure_and_ties(saved):
    lake, state = saved
    assert list(lake.load("m", only="*/w")) == ["model", "optim"]
    assert list(lake.load("m", only=["model/b", "f8"])) == ["model", "f8"]
    assert lake.load("m", device="cpu")["n"] == 3
    weight = torch.randn(3)
    lake.save("tied", {"x": {"a": weight}, "y": {"b": weight}})
    assert torch.equal(lake.load("tied", only="y/*")["y"]["b"], weight)


def test_damage_is_named_when_filling(saved, tmp_path):
    lake, state = saved
    lake.save("w", {"weights": torch.randn(100_000)})
    pack = max((p for p in (tmp_path / "lake" / "pack").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    with pytest.raises(errors.CorruptError, match="weights"):
        lake.load("w", into={"weights": torch.zeros(100_000)})
    with pytest.raises(errors.CorruptError, match="weights"):
        lake.load("w")
    assert torch.equal(lake.load("m")["model"]["w"], state["model"]["w"])
    assert [damage.path for damage in lake.verify("w")["damage"]] == ["weights"]
