"""Goal: the incidents of docs/incidents.md that a training loop meets.

Method: loops that save behind themselves, damage to what they left, states that fail while they are copied.
"""

import collections
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from varve.torch import Checkpointer

import varve
from varve import errors


def run(lake, steps, keep=None):
    model = torch.nn.Linear(4, 4)
    with Checkpointer(lake, "run", model=model, every=1, keep=keep) as checkpoints:
        first = checkpoints.resume() + 1
        for step in range(first, first + steps):
            with torch.no_grad():
                model.weight.fill_(step)
            checkpoints.step(step)
    return model


def resume(lake):
    model = torch.nn.Linear(4, 4)
    step = Checkpointer(lake, "run", model=model).resume()
    assert step == 0 or bool((model.weight == step).all())
    return step


def test_incident_03_resume_never_starts_over_in_silence(tmp_path):
    where = tmp_path / "lake"
    head = where / "ref" / "b" / "run"
    with varve.open(where, create=True) as lake:
        assert resume(lake) == 0
        run(lake, 5)
        assert resume(lake) == 5  # What was saved behind the loop is what is resumed: the commit is the tracker.
        whole = head.read_bytes()
        head.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(errors.CorruptError, match="the head of 'run' is damaged"):
            resume(lake)
        head.write_bytes(whole.replace(b'"step":"5"', b'"step":"6"'))
        with pytest.raises(errors.CorruptError):
            resume(lake)
        head.write_bytes(whole)
        for name in ("meta", "pack"):
            (where / name).rename(where / "away")
            with pytest.raises(errors.VarveError) as caught:
                resume(lake)
            assert caught.value.kind == "corrupt"
            (where / "away").rename(where / name)
        assert resume(lake) == 5
    # The lake itself is not where the job looks: nobody makes a new one unasked.
    where.rename(tmp_path / "moved")
    with pytest.raises(errors.NotFoundError):
        varve.open(where)
    (tmp_path / "moved").rename(where)
    with varve.open(where) as lake:
        run(lake, 2)
        assert resume(lake) == 7
        lake.forget("run@v1", grace_s=0)
    # A head that was deleted by hand is told by the check, once a collection has counted the heads.
    command = [Path(varve.__file__).parents[2] / "build" / "release" / "bin" / "varve"]
    assert subprocess.run([*command, "gc", where, "--apply", "--force", "--grace", "0s"], capture_output=True).returncode == 0
    head.unlink()
    checked = subprocess.run([*command, "fsck", where, "--json"], capture_output=True, text=True)
    assert "heads-missing" in [each["kind"] for each in json.loads(checked.stdout)["findings"]], checked.stdout


def test_incident_04_what_is_recorded_is_of_the_call(lake):
    """The loop goes on, and changes everything it gave, before the save behind it ends."""
    pending = []
    weights = torch.zeros(3_000_000)
    state = {"step": 0, "list": [0], "nested": collections.OrderedDict(at=0), "array": np.zeros(10), "w": weights}
    metrics, metadata, aliases, parents = {"loss": 0.0}, {"step": 0, "deep": {"at": [0]}}, ["now"], []
    for step in range(1, 9):
        state["step"], state["list"][0], state["nested"]["at"] = step, step, step
        state["array"].fill(step)
        weights.fill_(step)
        metrics["loss"] = float(step)
        metadata["step"] = step
        metadata["deep"]["at"][0] = step
        aliases[0] = f"at-{step}"
        pending.append(lake.save_async("m", state, step=step, metrics=metrics, metadata=metadata, aliases=aliases, parents=parents, message=f"of {step}"))
        state["step"] = state["list"][0] = -1
        state["nested"].clear()
        state["array"].fill(-1)
        weights.fill_(-1)
        metrics["loss"] = -1.0
        metadata["deep"]["at"].append(-1)
        metadata["deep"]["at"] = [0]
        aliases[0] = "later"
    assert [each.result(120).version for each in pending] == list(range(1, 9))
    for version in range(1, 9):
        detail = lake.show(f"m@at-{version}")
        assert (detail.version, detail.step, detail["message"], detail["metrics"]["loss"]) == (version, version, f"of {version}", version)
        assert detail.metadata == {"step": version, "deep": {"at": [version]}}
        loaded = lake.load(f"m@v{version}")
        assert (loaded["step"], loaded["list"], loaded["nested"]["at"]) == (version, [version], version)
        assert bool((loaded["w"] == version).all()) and bool((loaded["array"] == version).all())
    assert "later" not in {alias for each in lake.history("m") for alias in each.aliases}


class Stop(Exception):
    pass


def failing_state(fails_at):
    """A state of eight tensors, the nth of which fails when its bytes are asked for."""

    class Failing(torch.Tensor):
        def detach(self):
            raise Stop

        cpu = contiguous = resolve_conj = resolve_neg = data_ptr = numpy = detach

    return {f"t{i}": torch.ones(1000).as_subclass(Failing) if i == fails_at else torch.full((1000,), float(i)) for i in range(8)}


@pytest.mark.parametrize("how", ["save", "save_async"])
def test_incident_25_an_exception_in_between_publishes_nothing(tmp_path, how):
    with varve.open(tmp_path / "lake", create=True) as lake:
        lake.save("m", {"w": torch.ones(3)})
        before = (tmp_path / "lake" / "ref" / "b" / "m").read_bytes()
        for fails_at in range(8):
            with pytest.raises((Stop, errors.VarveError)):
                getattr(lake, how)("m", failing_state(fails_at))
    # `with` ends with an exception, at each place of a loop.
    for stops_at in range(4):
        with pytest.raises(Stop), varve.open(tmp_path / "lake") as lake, Checkpointer(lake, f"run{stops_at}", model=torch.nn.Linear(2, 2), every=1) as checkpoints:
            for step in range(1, 5):
                if step > stops_at:
                    raise Stop
                checkpoints.step(step)
        with varve.open(tmp_path / "lake") as lake:
            versions = lake.history(f"run{stops_at}") if stops_at else []
            assert [each.step for each in versions] == list(range(stops_at, 0, -1)), "what was saved before it is whole"
    with varve.open(tmp_path / "lake") as lake:
        assert (tmp_path / "lake" / "ref" / "b" / "m").read_bytes() == before
        assert [each.version for each in lake.history("m")] == [1]
        assert lake.save("m", {"w": torch.ones(3)}).version == 2
