"""Goal (P15): on SIGTERM a save ends or is given up whole; the process ends as its owner wants; what follows goes on.

Method: training loops with saves under way, ended at many moments in the three ways that loops end; `varve save` and
`varve put` ended at many moments; every version that is there is compared with what its step says.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import varve

ROOT = Path(__file__).parent.parent.parent
COMMAND = ROOT / "build" / "release" / "bin" / "varve"
SEED = int(os.environ.get("VARVE_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))
ROUNDS = int(os.environ.get("VARVE_TERM_ROUNDS", "3"))
BUDGET_S = 20  # Of the end of a process, on a machine that is busy.
CANCELLED = 130
VALUES = 1_000_000

LOOP = """
import os, signal, sys, torch, varve
from varve.torch import Checkpointer

way = sys.argv[2]
stop = []
if way == "exits":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
elif way == "asks":
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
else:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
lake = varve.open(sys.argv[1])
print("begin", flush=True)
step = 0
while not stop:
    step += 1
    print(f"step {step}", flush=True)
    lake.save_async("m", {"step": step, "t": torch.full((1_000_000,), float(step))}, step=step)
lake.wait()
print(f"end {step}", flush=True)
"""


def check(lake, least=0):
    """Every version is whole and its own; their steps rise without a gap."""
    versions = lake.history("m") if any(each.name == "m" for each in lake.ls()) else []
    assert [each.version for each in versions] == list(range(len(versions), 0, -1))
    for each in versions:
        state = lake.load(f"m@v{each.version}")
        assert state["step"] == each.step == each.version
        assert bool((state["t"] == each.step).all())
    assert len(versions) >= least
    return len(versions)


@pytest.mark.parametrize("way", ["dies", "exits", "asks"])
def test_a_training_loop_is_ended(tmp_path, way):
    print(f"VARVE_CRASH_SEED={SEED}")
    chance = random.Random(f"{SEED} {way}")
    for number in range(ROUNDS):
        place = tmp_path / f"lake-{number}"
        varve.init(place)
        process = subprocess.Popen(
            [sys.executable, "-c", LOOP, place, way], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
        )
        assert process.stdout.readline() == "begin\n"
        time.sleep(chance.uniform(0, 0.6))
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        out, err = process.communicate(timeout=120)
        assert time.monotonic() - began < BUDGET_S
        assert process.returncode == {"dies": -signal.SIGTERM, "exits": 143, "asks": 0}[way], err
        # What was read ahead with the first line is missing at the front; the last number counts.
        steps = max(map(int, re.findall(r"(?:step|end) (\d+)", out)), default=0)
        with varve.open(place) as lake:
            there = check(lake)
            if way == "asks":
                assert there == steps, "the loop waited for all of its saves"
            elif way == "exits":
                assert there >= steps - 1, "an interpreter that ends waits for what was begun; the copy under way may be given up"
            lake.save("m", {"step": there + 1, "t": torch.full((VALUES,), float(there + 1))}, step=there + 1)
            assert check(lake) == there + 1


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A safetensors file of 48 MB and its 12 tensors."""
    folder = tmp_path_factory.mktemp("source")
    torch.manual_seed(SEED & 0xFFFF)
    tensors = {f"layer{i}": torch.randn(1_000_000) for i in range(12)}
    save_file(tensors, folder / "model.safetensors")
    return folder, tensors


@pytest.mark.parametrize("verb", ["save", "put"])
def test_the_command_is_ended(source, tmp_path, verb):
    print(f"VARVE_CRASH_SEED={SEED}")
    folder, tensors = source
    chance = random.Random(f"{SEED} {verb}")
    what = folder / "model.safetensors" if verb == "save" else folder
    lake_env = {**os.environ, "VARVE_LAKE": str(tmp_path / "lake")}
    words = [COMMAND, verb, "m", what, "--json"]
    assert subprocess.run([COMMAND, "init", tmp_path / "lake"], capture_output=True).returncode == 0
    began = time.monotonic()
    assert subprocess.run([COMMAND, verb, "first", what], env=lake_env, capture_output=True).returncode == 0
    whole_s = time.monotonic() - began
    made = ended = cancelled = 0
    for number in range(30 * ROUNDS):
        if number >= 3 * ROUNDS and cancelled > 0:
            break
        process = subprocess.Popen(words, env=lake_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(chance.uniform(0, 1.2 * whole_s))
        twice = number % 4 == 3
        process.send_signal(signal.SIGTERM)
        if twice:
            time.sleep(0.002)
            process.send_signal(signal.SIGTERM)  # Ends it at once, unless it has ended.
        signalled = time.monotonic()
        out, err = process.communicate(timeout=120)
        assert time.monotonic() - signalled < BUDGET_S
        # Before it looks at signals it dies as any process.
        assert process.returncode in (0, CANCELLED, -signal.SIGTERM), err
        if process.returncode == 0:
            made += 1
            assert json.loads(out)["version"] >= made  # One that gave up may have committed just before.
        else:
            ended += 1
            if process.returncode == CANCELLED:
                cancelled += 1
                assert json.loads(out)["error"]["code"] == "cancelled" and len(err.splitlines()) <= 2
    assert cancelled > 0
    with varve.open(tmp_path / "lake") as lake:
        versions = lake.history("m") if any(each.name == "m" for each in lake.ls()) else []
        # One that was told to stop may have committed just before; it is whole then.
        assert made <= len(versions) <= made + ended
        for each in versions:
            if verb == "save":
                loaded = lake.load(f"m@v{each.version}", into={name: torch.empty(1_000_000) for name in tensors})
                assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
            else:
                lake.get(f"m@v{each.version}", tmp_path / f"got-{each.version}")
                assert (tmp_path / f"got-{each.version}" / "model.safetensors").read_bytes() == what.joinpath("model.safetensors").read_bytes()
        assert lake.verify("first").damage == []
    again = subprocess.run(words, env=lake_env, capture_output=True, text=True)
    assert again.returncode == 0 and json.loads(again.stdout)["version"] == len(versions) + 1
    private = tmp_path / "lake" / ".tmp"
    assert not private.exists() or list(private.iterdir()) == []


def test_a_download_that_is_ended_shows_nothing(source, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((source[0] / "model.safetensors").read_bytes() * 5)
    lake_env = {**os.environ, "VARVE_LAKE": str(tmp_path / "lake")}
    for words in (["init", tmp_path / "lake"], ["put", "m", folder]):
        assert subprocess.run([COMMAND, *words], env=lake_env, capture_output=True).returncode == 0
    began = time.monotonic()
    assert subprocess.run([COMMAND, "get", "m", tmp_path / "first"], env=lake_env, capture_output=True).returncode == 0
    whole_s = time.monotonic() - began
    chance, seen = random.Random(SEED), set()
    for number in range(30 * ROUNDS):
        if number >= 2 * ROUNDS and CANCELLED in seen:
            break
        process = subprocess.Popen([COMMAND, "get", "m", tmp_path / "out"], env=lake_env, stderr=subprocess.PIPE, text=True)
        time.sleep(chance.uniform(0, whole_s))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        assert process.returncode in (0, CANCELLED, -signal.SIGTERM), err
        seen.add(process.returncode)
        left = [path for path in tmp_path.iterdir() if path.name.startswith("out")]
        if process.returncode == 0:
            assert [path.name for path in left] == ["out"]
            assert (tmp_path / "out" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
        elif process.returncode == CANCELLED:
            assert left == [], "it removes what it had"
        else:
            assert not (tmp_path / "out").exists()
        for path in left:
            shutil.rmtree(path)
    assert CANCELLED in seen
