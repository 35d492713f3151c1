"""Goal: processes that save at once lose nothing; a forked child neither uses nor breaks its parent's lake.

Method: real processes on one folder; forks while saves run.
"""

import os
import subprocess
import sys
from pathlib import Path

import torch

import varve
from varve import errors

ROOT = Path(__file__).parent.parent.parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT / "python")}

WRITER = """
import sys, torch, varve
with varve.open(sys.argv[1]) as lake:
    torch.manual_seed(int(sys.argv[2]))
    sys.stdin.readline()
    print(lake.save("m", {"who": int(sys.argv[2]), "t": torch.randn(100_000)}).version)
"""


def test_eight_processes_make_eight_versions(tmp_path):
    varve.init(tmp_path / "lake")
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "lake", str(i)], env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for i in range(8)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    made = {int(writer.communicate(timeout=120)[0]): i for i, writer in enumerate(writers)}
    assert sorted(made) == list(range(1, 9))
    with varve.open(tmp_path / "lake") as lake:
        for version, who in made.items():
            state = lake.load(f"m@v{version}")
            torch.manual_seed(who)
            assert state["who"] == who and torch.equal(state["t"], torch.randn(100_000))
            assert lake.verify(f"m@v{version}").damage == []


FORK = """
import gc, os, sys, torch, varve
lake = varve.open(sys.argv[1], create=True)
lake.save("m", {"t": torch.ones(3)})
pending = lake.save_async("m", {"t": torch.randn(5_000_000)})
child = os.fork()
if child == 0:
    refused = 0
    for call in (lambda: lake.save("m", {}), lambda: lake.load("m"), lambda: lake.history("m"), lambda: pending.result(), lambda: lake._core.open_at("m")):
        try:
            call()
        except varve.errors.InvalidError:
            refused += 1
    repr(lake)
    lake.close()
    del lake, pending
    gc.collect()
    own = varve.open(sys.argv[1])
    own.save("child", {"t": torch.ones(2)})
    own.close()
    sys.exit(7 if refused == 5 else 1)  # The ordinary way out, with every destructor.
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert pending.result(60).version == 2
lake.close()
"""


def test_a_forked_child_refuses_and_ends(tmp_path):
    done = subprocess.run([sys.executable, "-c", FORK, tmp_path / "lake"], env=ENV, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_threads_share_a_lake(lake):
    import threading

    failures = []

    def work(i):
        try:
            for j in range(5):
                lake.save(f"t{i}", {"x": torch.full((1000,), i * 10 + j)})
                assert lake.load(f"t{i}")["x"][0] == i * 10 + j
        except BaseException as error:  # noqa: BLE001 - shown by the test.
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [a.versions for a in lake.ls()] == [5] * 6


def test_labels_history_and_results(lake, tmp_path, monkeypatch):
    for i in range(3):
        lake.save("team/m", {"t": torch.full((10,), i)}, step=i, metrics={"loss": 1 / (i + 1)}, message=f"save {i}", metadata={"lr": [1, {"a": None}]}, aliases=["best"])
    lake.alias("team/m", "good", 1)
    lake.tag("team/m", "paper", "v2")
    detail = lake.show("team/m@paper")
    assert (detail.version, detail.step, detail["message"], detail.metadata, detail.tags) == (2, 1, "save 1", {"lr": [1, {"a": None}]}, ["paper"])
    assert detail.tensors[0].path == "t" and detail.tensors[0].shape == [10] and detail.files == []
    assert len(detail.parents) == 1 and detail.name == "team/m"
    assert lake.load("team/m@good")["t"][0] == 0 and lake.load("team/m@best")["t"][0] == 2
    lake.unalias("team/m", "good")
    for address, error in [("team/m@good", errors.NotFoundError), ("team/m@v9", errors.NotFoundError), ("team/x", errors.NotFoundError), ("a\ud800", errors.InvalidError), (7, errors.InvalidError)]:
        for call in (lake.load, lake.show, lake.verify, lake.forget):
            try:
                call(address)
            except error:
                continue
            raise AssertionError((address, call))
    try:
        lake.tag("team/m", "paper", "v3")
        raise AssertionError("a tag moved")
    except errors.AlreadyExistsError:
        pass
    lake.forget("team/m@v1", reason="bad data")
    assert [v.forgotten for v in lake.history("team/m")] == [None, None, "bad data"]
    try:
        lake.load("team/m@v1")
        raise AssertionError("a forgotten version was loaded")
    except errors.GoneError:
        pass
    difference = lake.diff("team/m@v2", "team/m@v3")
    assert [item.path for item in difference.changed] == ["t"] and difference["added"] == []
    with varve.open(tmp_path / "other", create=True) as other:
        assert other.copy_from(lake, "team/m").versions_copied == 2
        assert torch.equal(other.load("team/m")["t"], lake.load("team/m")["t"])
    monkeypatch.setenv("VARVE_LAKE", str(tmp_path / "lake"))
    assert varve.load("team/m")["t"][0] == 2
    assert varve.save("short", {"a": 1}).version == 1 and varve.save_async("short", {"a": 2}).result(60).version == 2
    assert [v.version for v in varve.history("short", lake=lake)] == [2, 1]


def test_wrong_options_are_refused_before_anything_is_sent(lake, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    wrong = [
        {"metadata": {"a": object()}}, {"metadata": {"a": float("nan")}}, {"metadata": {"a": "x" * (1 << 20)}}, {"metadata": [1]},
        {"metrics": {"a": "high"}}, {"metrics": {"": 1}}, {"metrics": {"m" * 201: 1}}, {"message": "x" * 5000}, {"message": "\ud800"},
        {"step": 1.5}, {"step": 1 << 63}, {"aliases": ["latest"]}, {"aliases": "v3"}, {"aliases": [1]}, {"type": "a b"}, {"type": None},
    ]
    deep = []
    for _ in range(40):
        deep = [deep]
    wrong.append({"metadata": {"a": deep}})
    for options in wrong:
        for save in (lake.save, lake.save_async):
            try:
                save("m", {"t": torch.ones(1000)}, **options)
            except errors.InvalidError:
                continue
            raise AssertionError(options)
    assert [p for p in sorted(tmp_path.rglob("*")) if p.is_file()] == [p for p in before if p.is_file()]
