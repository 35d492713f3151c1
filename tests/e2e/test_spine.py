"""Goal: what the README promises holds with real processes, on a folder and on a real S3 server.

Method: Ceph RGW on loopback; savers in processes of their own; kills at random moments.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import varve

ROOT = Path(__file__).parent.parent.parent
SAVER = """
import sys, torch, varve
where, name, seed, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
lake = varve.open(where, memory_bytes=64 << 20)
for i in range(rounds):
    torch.manual_seed(seed * 1000 + i)
    report = lake.save(name, {"w": torch.randn(300_000), "id": seed * 1000 + i}, step=seed * 1000 + i)
    print(report.version, seed * 1000 + i, flush=True)
"""


def saver(where, name, seed, rounds):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    return subprocess.Popen(
        [sys.executable, "-c", SAVER, str(where), name, str(seed), str(rounds)], env=env, stdout=subprocess.PIPE, text=True
    )


def check(lake, version, identity):
    state = lake.load(f"shared@v{version}")
    torch.manual_seed(identity)
    assert state["id"] == identity
    assert torch.equal(state["w"], torch.randn(300_000))


@pytest.fixture(params=["folder", "s3"])
def where(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("s3_lake")
    varve.init(tmp_path / "lake")
    return str(tmp_path / "lake")


def test_the_conformance_suite_holds_on_a_real_server(s3_server):
    binary = ROOT / "build" / "release" / "bin" / "store_s3_test"
    result = subprocess.run([binary], capture_output=True, text=True, env={**os.environ, **s3_server})
    assert result.returncode == 0, result.stdout
    assert "SKIPPED" not in result.stdout


def test_eight_processes_lose_nothing_and_number_without_a_gap(where):
    processes = [saver(where, "shared", seed, 3) for seed in range(8)]
    acknowledged = {}
    for process in processes:
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        acknowledged.update(tuple(map(int, line.split())) for line in out.splitlines())
    assert sorted(acknowledged) == list(range(1, 25))
    with varve.open(where) as lake:
        assert [v.version for v in lake.history("shared")] == list(range(24, 0, -1))
        for version, identity in acknowledged.items():
            check(lake, version, identity)


def test_kill_9_loses_nothing_acknowledged(where):
    chance = random.Random(5)
    acknowledged = {}
    for seed in range(6):
        process = saver(where, "shared", seed, 1000)
        first = process.stdout.readline()
        time.sleep(chance.uniform(0.01, 0.5))
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
        lines = [line for line in (first + out).splitlines(keepends=True) if line.endswith("\n")]
        acknowledged.update(tuple(map(int, line.split())) for line in lines)
    assert acknowledged
    with varve.open(where) as lake:
        history = lake.history("shared")
        assert [v.version for v in history] == list(range(len(history), 0, -1))
        for version, identity in acknowledged.items():
            check(lake, version, identity)
        for version in history:
            assert lake.verify(f"shared@v{version.version}")["damage"] == []


def test_a_version_copied_to_the_other_store_loads_byte_for_byte(tmp_path, s3_lake):
    varve.init(tmp_path / "lake")
    process = saver(tmp_path / "lake", "shared", 1, 2)
    assert process.wait(timeout=60) == 0
    command = [ROOT / "build" / "release" / "bin" / "varve", "copy", "shared", "--lake", tmp_path / "lake", "--to", s3_lake]
    subprocess.run(command, check=True)
    with varve.open(s3_lake) as there, varve.open(tmp_path / "lake") as here:
        assert [v.commit_id for v in there.history("shared")] == [v.commit_id for v in here.history("shared")]
        check(there, 1, 1000)
        check(there, 2, 1001)


def test_bad_places_say_what_to_do(s3_server, monkeypatch):
    with pytest.raises(varve.VarveError, match="prefix"):
        varve.open("s3://varve-test")
    with pytest.raises(varve.VarveError, match="'no-such-bucket' does not exist"):
        varve.open("s3://no-such-bucket/x")
    with pytest.raises(varve.VarveError, match="varve init"):
        varve.open("s3://varve-test/nothing-here")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret-value")
    with pytest.raises(varve.VarveError, match="AWS_SECRET_ACCESS_KEY") as caught:
        varve.open("s3://varve-test/x")
    assert "wrong-secret-value" not in str(caught.value)
