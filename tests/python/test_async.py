"""Goal: an asynchronous save holds the bytes of its moment, stays within its memory, and is never lost in silence.

Method: changes after the return; peak memory of a process; storage that fails; interpreters that end; Ctrl-C.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import varve
from varve import errors

ROOT = Path(__file__).parent.parent.parent


def script(code, *arguments, **options):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def break_packs(lake_folder):
    """No pack can be written from here on; returns what repairs it."""
    packs = lake_folder / "pack"
    packs.rename(lake_folder / "away")
    packs.write_text("in the way")

    def repair():
        packs.unlink()
        (lake_folder / "away").rename(packs)

    return repair


def test_saves_are_committed_in_order_and_keep_their_bytes(lake):
    state = {"model": torch.full((500_000,), 0.0), "odd": torch.zeros(1000, 7).t()[::2]}
    pending = []
    for step in range(8):
        for tensor in state.values():
            tensor.fill_(step)
        pending.append(lake.save_async("m", state, step=step))
        assert pending[-1].staged
    for tensor in state.values():
        tensor.fill_(-1)
    assert [p.result(60).version for p in pending] == list(range(1, 9))
    assert all(p.done() and p.report.version == p.result().version for p in pending)
    assert [v.step for v in lake.history("m")] == list(range(7, -1, -1))
    for step in range(8):
        loaded = lake.load(f"m@v{step + 1}")
        assert all(bool((tensor == step).all()) for tensor in loaded.values())


MEMORY = """
import sys, resource, torch, varve
with varve.open(sys.argv[1], create=True) as lake:
    lake.save_async("warm", {"t": torch.randn(1 << 20)}).result()
    state = {i: torch.randn(8 << 20) for i in range(12)}  # 12 x 32 MiB.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        for tensor in state.values():
            tensor.view(torch.int32).add_(1)
        lake.save_async("m", state, memory_bytes=64 << 20)
    lake.wait()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_stays_below_the_cap(tmp_path):
    out, err = script(MEMORY, tmp_path / "lake").communicate(timeout=300)
    # The cap and 32 MiB of allocator and thread overhead.
    assert out and int(out) < 64 + 32, out + err


@pytest.mark.parametrize("call", ["save", "save_async", "close", "wait", "result"])
def test_a_failure_raises_once_at_the_next_call(tmp_path, caplog, call):
    lake = varve.open(tmp_path / "lake", create=True)
    lake.save("m", {"t": torch.zeros(1)})
    repair = break_packs(tmp_path / "lake")
    with caplog.at_level(logging.ERROR, "varve"):
        pending = lake.save_async("m", {"t": torch.randn(1000)})
        while not pending.done():
            time.sleep(0.01)
    assert "asynchronous save of 'm' failed" in caplog.text
    assert lake.history("m")[0].version == 1  # Reading goes on.
    repair()
    calls = {
        "save": lambda: lake.save("m", {}), "save_async": lambda: lake.save_async("m", {}), "close": lake.close,
        "wait": lake.wait, "result": pending.result,
    }
    with pytest.raises(varve.VarveError):
        calls[call]()
    if call != "close":
        assert lake.save_async("m", {"t": torch.ones(1)}).result(60).version == 2
    lake.close()
    with varve.open(tmp_path / "lake") as again:
        assert again.verify("m").damage == []


def test_a_save_refused_on_the_way_gives_its_memory_back(lake):
    for _ in range(3):
        with pytest.raises(errors.InvalidError):
            lake.save_async("no such name!", {"t": torch.ones(1000)})
    with pytest.raises(errors.InvalidError):
        lake.save_async("m", {"t": torch.ones(1)}, memory_bytes=1 << 20)
    assert lake.save_async("m", {"t": torch.ones(1000)}).result(60).version == 1


def test_result_times_out_and_the_save_goes_on(lake):
    pending = lake.save_async("m", {"t": torch.randn(20_000_000)})
    with pytest.raises(TimeoutError):
        pending.result(0.0)
    assert pending.result(120).version == 1


def test_an_interpreter_that_ends_waits_for_its_saves(tmp_path):
    code = "import sys, torch, varve; varve.open(sys.argv[1], create=True).save_async('m', {'t': torch.randn(9_000_000)})"
    process = script(code, tmp_path / "lake")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    with varve.open(tmp_path / "lake") as lake:
        assert lake.load("m")["t"].shape == (9_000_000,)


INTERRUPTED = """
import signal, sys, torch, varve
signal.signal(signal.SIGINT, signal.default_int_handler)  # Whoever started the tests in the background had it ignored.
lake = varve.open(sys.argv[1], create=True, cpu_threads=1, memory_bytes=64 << 20)
lake.save("m", {"t": torch.ones(1)})
state = {i: torch.randn(32 << 20) for i in range(4)}  # 4 x 128 MiB.
print("begin", flush=True)
try:
    getattr(lake, sys.argv[2])("m", state)
except KeyboardInterrupt:
    print("interrupted", flush=True)
lake.save("after", {"t": torch.ones(1)})
lake.close()
"""


@pytest.mark.parametrize("verb", ["save", "save_async"])
def test_ctrl_c_stops_a_save_and_leaves_no_version(tmp_path, verb):
    process = script(INTERRUPTED, tmp_path / "lake", verb)
    assert process.stdout.readline() == "begin\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    line = process.stdout.readline()
    _, err = process.communicate(timeout=120)
    assert line == "interrupted\n" and process.returncode == 0, line + err
    with varve.open(tmp_path / "lake") as lake:
        assert [v.version for v in lake.history("m")] == [1]
        assert lake.load("after")["t"].item() == 1
