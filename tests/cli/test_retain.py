"""Goal: what a person is told before anything is let go, and that nothing is let go without being asked for.

Method: the built program on lakes in temporary folders.
"""

import json

import pytest
from test_cli_contract import CONFLICT, GONE, INVALID, NOT_FOUND, Command


@pytest.fixture
def varve(tmp_path):
    command = Command(tmp_path)
    command.ok("init")
    for step in range(1, 6):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / "model.bin").write_bytes(bytes([step]) * 5000)
        (tmp_path / "run" / "optimizer.pt").write_bytes(bytes([100 + step]) * 9000)
        metrics = ["--metric", f"loss={6 - step}"] if step != 5 else ["--metric", "loss=nan"]
        command.ok("put", "llama", "run", "--type", "checkpoint", "--step", step * 100, *metrics)
    return command


def test_a_plan_says_why_and_changes_nothing(varve):
    out = varve.ok("retain", "plan", "llama", "--keep", "last 1; best 1 by loss min; every 200 steps of weights", "--out", "plan.json")
    assert "v5" in out and "stays: newest; floor" not in out
    assert "best 1 by loss min: number 1 with 2" in out
    assert "keeps weights: every 200 steps of weights; LETS GO optimizer" in out
    assert "GOES: nearest was" in out
    assert "nothing was changed" in out and "varve retain apply plan.json" in out
    assert all(row["forgotten"] is None for row in varve.json("log", "llama")["versions"])
    plan = json.loads((varve.folder / "plan.json").read_text())
    assert int(plan["freed_bytes"]) > 0 and plan["lake_id"]
    done = varve.json("retain", "apply", "plan.json")
    assert (done["forgotten"], done["thinned"]) == (1, 2)
    varve.ok("get", "llama@v4", "whole")
    assert (varve.folder / "whole" / "optimizer.pt").read_bytes() == bytes([104]) * 9000
    error = varve.fails(GONE, "get", "llama@v2", "thin")
    assert "optimizer.pt" in error and "by policy 'rules'" in error
    varve.ok("undelete", "llama@v2")
    varve.ok("get", "llama@v2", "again")
    varve.fails(CONFLICT, "retain", "apply", "plan.json")


def test_wrong_policies_are_refused_with_their_place(varve):
    assert "--keep: 1:6: 'last' wants 1" in varve.fails(INVALID, "retain", "plan", "--keep", "last 0")
    assert "1:9: no version it applies to has a metric 'los'; did you mean 'loss'?" in varve.fails(
        INVALID, "retain", "plan", "--keep", "last 1; best 1 by los min")
    assert "would keep nothing of 'llama' (5 versions)" in varve.fails(INVALID, "retain", "plan", "--keep", "where step > 9999")
    assert "has no keep" in varve.fails(INVALID, "retain", "plan", "--keep", "floor 2")
    assert "--keep" in varve.fails(NOT_FOUND, "retain", "plan")
    assert "the nearest is 'plan'" in varve.fails(INVALID, "retain", "plam", "--keep", "last 1")
    assert "'llama'" in varve.fails(NOT_FOUND, "retain", "plan", "lama", "--keep", "last 1")
    (varve.folder / "p.yaml").write_text("policies:\n  - name: p\n    keep:\n      - last 3\n      - best 2 by loss\n")
    assert "p.yaml: 5:23: expected min or max" in varve.fails(INVALID, "retain", "plan", "--policy", "p.yaml")
    (varve.folder / "p.json").write_text('{"policies": [{"name": "p",\n  "keep": ["last 0"]}]}')
    assert "p.json: 2:18: 'last' wants 1" in varve.fails(INVALID, "retain", "plan", "--policy", "p.json")
    (varve.folder / "bomb.yaml").write_text("policies: &a [*a, *a]\n")
    assert "anchors" in varve.fails(INVALID, "retain", "plan", "--policy", "bomb.yaml")
    (varve.folder / "deep.yaml").write_text("policies: " + "[" * 5000)
    varve.fails(INVALID, "retain", "plan", "--policy", "deep.yaml")
    (varve.folder / "raw.yaml").write_bytes(b"policies: \xff\xfe")
    varve.fails(INVALID, "retain", "plan", "--policy", "raw.yaml")
    varve.fails(NOT_FOUND, "retain", "plan", "--policy", "nowhere")
    varve.fails(INVALID, "retain", "apply", "p.json")


def test_text_yaml_and_json_give_one_plan(varve):
    (varve.folder / "p.txt").write_text("policy p {\n  match kind = checkpoint\n  keep last 2\n  keep best 1 by loss min of weights\n}\n")
    (varve.folder / "p.yaml").write_text("policies:\n- {name: p, match: kind = checkpoint, keep: [last 2, best 1 by loss min of weights]}\n")
    (varve.folder / "p.json").write_text(json.dumps(
        {"policies": [{"name": "p", "match": "kind = checkpoint", "keep": ["last 2", "best 1 by loss min of weights"]}]}))
    plans = [varve.json("retain", "plan", "--policy", name) for name in ("p.txt", "p.yaml", "p.json")]
    assert plans[0]["policy"] == plans[1]["policy"] == plans[2]["policy"]
    assert plans[0]["items"] == plans[1]["items"] == plans[2]["items"]


def test_explain_pin_hold_and_forget(varve):
    varve.ok("pin", "llama@v1", "--owner", "eval", "--for", "30d")
    varve.ok("hold", "llama@v2", "--owner", "legal", "--reason", "case 7")
    assert varve.json("retain", "explain", "llama@v1", "--keep", "last 1")["reasons"] == ["pin of 'eval'"]
    assert "hold of 'legal'" in varve.ok("retain", "explain", "llama@v2", "--keep", "last 1")
    assert varve.json("retain", "explain", "llama@v3", "--keep", "last 1")["missed"] == "last 1: it is number 3"
    assert "the pin of 'eval'" in varve.fails(CONFLICT, "forget", "llama@v1")
    assert "the hold of 'legal'" in varve.fails(CONFLICT, "forget", "llama@v2")
    varve.ok("unpin", "llama@v1", "--owner", "eval")
    varve.fails(NOT_FOUND, "unpin", "llama@v1", "--owner", "eval")
    varve.ok("unhold", "llama@v2", "--owner", "legal")
    assert "varve undelete llama@v1" in varve.ok("forget", "llama@v1", "--reason", "old", "--grace", "2d")
    varve.fails(GONE, "get", "llama@v1", "x")
    varve.ok("undelete", "llama@v1")
    varve.ok("get", "llama@v1", "x")
    varve.fails(INVALID, "pin", "llama@v1", "--for", "soon")
    varve.fails(INVALID, "undelete", "llama@v1")


def test_a_policy_has_tests(varve):
    test = """
policy: "last 2; best 1 by loss min of weights"
history:
  - {step: 100, age: 3d, metrics: {loss: 1.0}}
  - {step: 200, age: 2d, metrics: {loss: 2.0}}
  - {step: 300, age: 1d, metrics: {loss: nan}}
  - {step: 400, age: 1h, metrics: {loss: 3.0}, alias: prod}
expect: {run@v1: weights, run@v2: FATE, run@v4: stays}
"""
    (varve.folder / "good.yaml").write_text(test.replace("FATE", "goes"))
    assert varve.json("retain", "test", "good.yaml") == {"checked": 3, "failures": []}
    (varve.folder / "bad.yaml").write_text(test.replace("FATE", "stays"))
    done = varve.run("retain", "test", "bad.yaml", "--json")
    assert done.returncode == INVALID
    assert json.loads(done.stdout)["failures"] == [
        "8:35: run@v2: expected 'stays', got 'goes' (nearest was last 2: it is number 3)"]


def test_knobs_of_others_are_translated(varve):
    out = varve.ok("retain", "import", "lightning", "save_top_k=3", "monitor=val_loss", "save_last=true")
    assert "keep best 3 by val_loss min" in out and "keep last 1" in out
    found = varve.json("retain", "import", "orbax", "max_to_keep=2", "keep_period=1000")
    (varve.folder / "p.json").write_text(json.dumps(found["document"]))
    (varve.folder / "p.txt").write_text(found["policy"])
    assert varve.json("retain", "plan", "--policy", "p.json")["policy"] == varve.json("retain", "plan", "--policy", "p.txt")["policy"]
    assert "did you mean 'max_to_keep'" in varve.fails(INVALID, "retain", "import", "orbax", "max_to_kep=2")


def test_what_was_let_go_says_who_when_and_why(varve):
    varve.ok("retain", "plan", "--policy", policy(varve, "policy nightly { keep last 2\nkeep first 1 of weights }"), "--out", "p.json")
    varve.ok("retain", "apply", "p.json")
    out = varve.ok("log", "llama", "--deleted")
    assert "nightly" in out and "retention" in out and "v5" not in out
    row = next(row for row in varve.json("log", "llama", "--deleted")["versions"] if row["version"] == 2)
    assert row["tombstone"]["policy"] == "nightly" and row["tombstone"]["by"] and row["tombstone"]["until"] > row["tombstone"]["time"]
    assert len(row["commit_id"]) == 64
    assert "by policy 'nightly'" in varve.fails(GONE, "show", "llama@v2")
    assert "let go   optimizer" in varve.ok("show", "llama@v1")
    assert varve.json("show", "llama@v1")["let_go_by"][0]["policy"] == "nightly"


def test_a_plan_is_compared_and_reviewed(varve):
    varve.ok("retain", "plan", "--keep", "last 3", "--out", "old.json")
    out = varve.ok("retain", "plan", "--keep", "last 2; first 1 of weights", "--diff", "old.json")
    assert "2 otherwise than by the earlier plan:\n  llama@v1: goes -> keeps weights\n  llama@v3: stays -> goes\n" in out
    assert varve.json("retain", "plan", "--keep", "last 2", "--diff", "old.json")["diff"] == [
        {"artifact": "llama", "version": 3, "before": "stays", "after": "goes"}]
    assert "as by the earlier plan" in varve.ok("retain", "plan", "--keep", "last 3", "--diff", "old.json")
    review = varve.ok("retain", "plan", "--keep", "last 2", "--format", "md")
    assert "| v1 | 100 |" in review and "| **goes** | nearest was last 2: it is number 5 |" in review
    assert json.loads(varve.ok("retain", "plan", "--keep", "last 2", "--format", "json"))["kind"] == "retention plan"
    assert "text, json or md" in varve.fails(INVALID, "retain", "plan", "--keep", "last 2", "--format", "pdf")
    (varve.folder / "cut.json").write_text((varve.folder / "old.json").read_text()[:-40])
    assert "no retention plan" in varve.fails(INVALID, "retain", "plan", "--keep", "last 2", "--diff", "cut.json")


def test_a_plan_past_its_limit_asks_for_a_second_look(varve):
    for step in range(6, 20):
        varve.ok("put", "llama", "run", "--step", step * 100)
    done = varve.run("retain", "plan", "--keep", "last 2", "--out", "p.json")
    assert done.returncode == 3 and b"more than its limit" in done.stdout and done.stderr == b""
    refused = varve.run("retain", "apply", "p.json")
    assert refused.returncode == 3 and b"--ack" in refused.stderr
    assert varve.run("retain", "apply", "p.json", "--ack", "0" * 64).returncode == INVALID
    plan = json.loads((varve.folder / "p.json").read_text())
    done = varve.json("retain", "apply", "p.json", "--ack", plan["id"])
    assert (done["forgotten"], done["canary"]) == (1, True), "the first sweep of a policy is a canary"
    varve.run("retain", "plan", "--keep", "last 2", "--out", "p.json")
    plan = json.loads((varve.folder / "p.json").read_text())
    assert "--no-canary" in varve.fails(INVALID, "retain", "apply", "p.json", "--ack", plan["id"])
    assert varve.json("retain", "apply", "p.json", "--ack", plan["id"], "--no-canary")["forgotten"] == 16


def test_what_is_learned_later_changes_the_verdict(varve):
    varve.ok("annotate", "llama@v1", "--metric", "loss=0.5", "--run-state", "finished", "--owner", "ada")
    shown = varve.json("show", "llama@v1")
    assert (shown["metrics"]["loss"], shown["owner"], shown["run_state"]) == (0.5, "ada", "finished")
    plan = varve.json("retain", "plan", "--keep", "last 1; best 1 by loss min")
    assert {item["version"]: item["reasons"] for item in plan["items"]}["1"] == ["best 1 by loss min: number 1 with 0.5"]
    assert "name=number" in varve.fails(INVALID, "annotate", "llama@v1", "--metric", "loss")
    assert "what was learned" in varve.fails(INVALID, "annotate", "llama@v1")


def test_what_was_verified_is_remembered(varve):
    assert varve.json("verify", "llama@v3")["recorded"] is True
    assert varve.json("show", "llama@v3")["verified"]
    assert "last good" in varve.ok("retain", "explain", "llama@v3", "--keep", "last 1")
    varve.ok("get", "llama@v2", "leased", "--lease")
    assert "leases" not in varve.json("show", "llama@v2")


def test_a_policy_lives_in_the_lake(varve):
    assert "varve retain set" in varve.fails(NOT_FOUND, "retain", "plan")
    assert "1:6: 'last' wants 1" in varve.fails(INVALID, "retain", "set", "--keep", "last 0")
    varve.fails(INVALID, "retain", "set")
    assert "retention/policy@v1" in varve.ok("retain", "set", "--keep", "last 3")
    varve.ok("retain", "set", "--policy", policy(varve, "policy p { keep last 2 }"))
    assert "keep last 2" in varve.ok("retain", "show") and "keep last 3" in varve.ok("retain", "show", "v1")
    assert varve.json("retain", "show")["version"] == 2
    assert varve.json("retain", "plan")["policy"] == "policy p {\n  keep last 2\n  floor 1 verified\n}\n"
    assert varve.json("retain", "explain", "llama@v1")["missed"] == "last 2: it is number 5"
    varve.ok("retain", "unset")
    varve.fails(NOT_FOUND, "retain", "plan")
    varve.fails(INVALID, "retain", "show", "newest")
    varve.fails(INVALID, "retain", "plan", "--keep", "last 1", "--policy", "policy.txt")


def test_caps_evict_and_tiers_are_only_told_of(varve):
    whole = varve.json("retain", "plan", "--keep", "all; cap 1GB per artifact evict oldest")["caps"][0]
    assert whole["evicted"] == "0"
    cap = f"{int(whole['bytes']) - 1}B per artifact evict worst by loss min"
    plan = varve.json("retain", "plan", "--keep", f"all; cap {cap}; tier all after 1s to GLACIER_IR")
    gone = {item["version"]: item["missed"] for item in plan["items"] if item["let_go"]}
    assert gone == {"1": f"evicted by cap {cap}"}, "v5 has NaN and is the newest"
    assert plan["caps"][0]["evicted"] == "1" and plan["caps"][0]["over"] is False
    assert plan["tiers"][0]["carried_out"] is False and plan["tiers"][0]["priced"] is False
    out = varve.ok("retain", "plan", "--keep", "all; cap 1B per artifact evict oldest; tier all after 1s to GLACIER_IR only if profitable")
    assert "STILL OVER" in out and "not proposed: no price is known" in out and "planned and priced, not carried out" in out
    assert "$" not in out, "a folder costs nothing"
    assert "2:1: a cap in money needs a price" in varve.fails(INVALID, "retain", "plan", "--keep", "all\ncap 5 USD/mo per run evict oldest")
    (varve.folder / "prices.yaml").write_text("as_of: 2026-01-01\nsource: contract\nprices:\n  - {provider: here, region: x, class: S, usd_gb_mont: 1}\n")
    assert "prices.yaml: 4:43: no field 'usd_gb_mont' of a price; did you mean 'usd_gb_month'?" in varve.fails(
        INVALID, "retain", "plan", "--keep", "all", "--prices", "prices.yaml")


def policy(varve, text):
    (varve.folder / "policy.txt").write_text(text)
    return "policy.txt"
