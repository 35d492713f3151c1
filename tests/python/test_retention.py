"""Goal: `keep=` lets go of what no rule keeps, behind the loop, and a failure of it never reaches the loop.

Method: real lakes; saves under rules, then what is left is loaded byte for byte; rules that cannot parse, metrics that do
not come, a lake whose retention fails.
"""

import warnings

import numpy as np
import pytest
import torch
from varve.torch import Checkpointer

from varve import errors


def checkpointer(lake, keep, every=1):
    torch.manual_seed(0)
    model = torch.nn.Linear(64, 64)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(64)).sum().backward()
    optimizer.step()
    return Checkpointer(lake, "llama", model=model, optimizer=optimizer, every=every, keep=keep), model


def rows(lake):
    return {row.version: ("gone" if row.forgotten is not None else row.let_go) for row in lake.history("llama")}


def test_keep_lets_go_of_the_rest_and_leaves_weights(lake):
    saves, model = checkpointer(lake, "last 2; every 4 steps of weights")
    weights = {}
    for step in range(1, 9):
        with torch.no_grad():
            model.weight.fill_(step)
        weights[step] = model.weight.detach().clone()
        saves.save(step)
        saves.last.result()
        saves._keeper.wait()
    saves.close()
    found = rows(lake)
    assert found == {1: ["optimizer", "rng"], 2: "gone", 3: "gone", 4: ["optimizer", "rng"], 5: "gone", 6: "gone", 7: [], 8: []}
    for step in (1, 4):
        loaded = lake.load(f"llama@v{step}", only="model/*")
        assert torch.equal(loaded["model"]["weight"], weights[step])
        with pytest.raises(errors.GoneError, match="let go with all of"):
            lake.load(f"llama@v{step}")
    lake.undelete("llama@v4")
    assert torch.equal(lake.load("llama@v4")["model"]["weight"], weights[4])
    lake.undelete("llama@v5")
    assert torch.equal(lake.load("llama@v5")["model"]["weight"], weights[5])
    again, model = checkpointer(lake, None)
    assert again.resume() == 8


def test_resume_passes_over_what_was_thinned(lake):
    saves, _ = checkpointer(lake, None)
    for step in (1, 2):
        saves.save(step).result()
    plan = lake.plan_retention("steps [2] of weights\nsteps [1]\nfloor 0", "llama")
    assert lake.apply_retention(plan) == {"forgotten": 0, "thinned": 1, "written_bytes": pytest.approx(3000, rel=1), "warnings": [], "canary": False}
    assert saves.resume() == 1
    lake.forget("llama@v1")
    with pytest.raises(errors.GoneError, match="undelete"):
        saves.resume()


def test_rules_that_do_not_parse_are_refused_at_once(lake):
    for rules, place in [("last 0", "1:6"), ("lats 3", "1:1"), ("", "1:1"), ("last 3\nbest 2 by loss", "2:15")]:
        with pytest.raises(errors.InvalidError, match=place):
            checkpointer(lake, rules)
    with pytest.raises(errors.InvalidError):
        checkpointer(lake, 3)
    with pytest.raises(errors.InvalidError, match="1:1.*has a metric 'loss'"):
        saves, _ = checkpointer(lake, None)
        saves.save(1).result()
        lake.plan_retention("best 1 by loss min")


def test_a_failed_pass_is_a_warning_and_never_an_error(lake, monkeypatch, caplog):
    saves, _ = checkpointer(lake, "last 1")
    from varve import _core

    def broken(*_):
        raise errors.StorageError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(_core, "retain_here", broken)
        saves.save(1).result()
        saves._keeper.wait()
        assert "the store is away" in caplog.text
        with pytest.warns(RuntimeWarning, match="retention of 'llama'.*the store is away"):
            saves.save(2).result()
        saves._keeper.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            saves.close()  # The same failure is told once.
    saves._keeper._failures.append("once more")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saves.save(3)  # A filter that makes warnings errors does not reach the loop.
    saves.close()
    assert rows(lake) == {1: "gone", 2: "gone", 3: []}


def test_a_metric_that_has_not_come_yet_keeps_what_lacks_it(lake, caplog):
    saves, _ = checkpointer(lake, "best 1 by val_loss min")
    for step in range(1, 4):
        saves.save(step).result()
    saves.close()
    assert rows(lake) == {1: [], 2: [], 3: []}
    assert "no version has a metric 'val_loss' yet" in caplog.text
    for step, loss in enumerate([3.0, float("nan"), 2.0, 1.0], 4):
        saves.save(step, {"val_loss": loss}).result()
    saves.close()
    assert rows(lake) == {1: [], 2: [], 3: [], 4: "gone", 5: "gone", 6: "gone", 7: []}


def test_many_versions_at_once_are_not_taken_by_surprise(lake, caplog):
    saves, _ = checkpointer(lake, None)
    for step in range(1, 15):
        saves.save(step).result()
    careful, _ = checkpointer(lake, "last 1")
    with pytest.warns(RuntimeWarning, match="limit 100%"):
        careful.save(15).result()
        careful.close()
    assert all(state == [] for state in rows(lake).values())


def test_pins_and_holds_keep(lake):
    for value in range(4):
        lake.save("llama", {"w": np.full(10, value)})
    lake.pin("llama@v1", owner="eval", for_s=3600)
    lake.hold("llama@v2", owner="legal", reason="case 7")
    for address in ("llama@v1", "llama@v2"):
        with pytest.raises(errors.ConflictError, match="eval|legal"):
            lake.forget(address)
    plan = lake.plan_retention("last 1")
    assert {row["version"]: row["reasons"] for row in plan["items"]}["2"] == ["hold of 'legal'"]
    assert lake.apply_retention(plan)["forgotten"] == 1
    lake.unpin("llama@v1", owner="eval")
    lake.unhold("llama@v2", owner="legal")
    with pytest.raises(errors.ConflictError, match="moved on"):
        lake.apply_retention(plan)
    plan["policy"] = "keep last 100"
    with pytest.raises(errors.InvalidError, match="it was changed"):
        lake.apply_retention(plan)


def test_a_lease_keeps_and_is_given_back(lake):
    for value in range(4):
        lake.save("llama", {"w": np.full(10, value)})
    with lake.lease("llama@v2", owner="eval") as lease:
        assert lease.address == "llama@v2"
        plan = lake.plan_retention("last 1")
        reasons = {row["version"]: row["reasons"] for row in plan["items"]}["2"]
        assert len(reasons) == 1 and reasons[0].startswith("in use by 'eval#")
        assert lake.load(lease.address)["w"][0] == 1
        with pytest.raises(errors.ConflictError, match="the lease of"):
            lake.forget("llama@v2")
    lake.forget("llama@v2")
    lease.release()
    with pytest.raises(errors.GoneError):
        lake.lease("llama@v2")


def test_what_was_learned_later_and_what_was_read_whole_count(lake):
    saves, _ = checkpointer(lake, "last 1; best 1 by val_loss min missing ignore")
    for step in (1, 2, 3):
        saves.save(step, {"val_loss": float(step)}).result()
        saves._keeper.wait()
    assert rows(lake) == {1: [], 2: "gone", 3: []}
    lake.annotate("llama@v1", metrics={"val_loss": 9.0}, run_state="running", owner="ada")
    assert lake.history("llama")[-1].metrics["val_loss"] == 9.0
    assert saves.resume("llama@v1") == 1
    saves._keeper.wait()
    assert lake.history("llama")[-1].verified_ms is not None
    assert lake.verify("llama@v3").recorded
    saves.save(4, {"val_loss": 4.0}).result()
    saves.close()
    assert rows(lake) == {1: "gone", 2: "gone", 3: [], 4: []}, "v3 is the last good one"
    assert lake.history("llama")[-1].tombstone["policy"] == "rules"
    with pytest.raises(errors.InvalidError, match="running, preempted"):
        lake.annotate("llama@v3", run_state="sleeping")
