"""Goal: when the operating system refuses a save anything, the version before stays, nothing is half visible, and one clean
line says what failed.

Method: one save of one small folder under strace, which fails the Nth call of one kind with one error, for the Ns that the
save makes of that kind in any of its threads; then the lake is read back byte by byte and saved into again. Of kinds that
it makes often, VARVE_CRASH_CALLS numbers are drawn by VARVE_CRASH_SEED.
"""

import json
import os
import random
import re
import resource
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from rounds import check_lake, command, put_command, write

import varve

NUMBERS = int(os.environ.get("VARVE_CRASH_CALLS", "4"))
SEED = int(os.environ.get("VARVE_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))
# Which calls fail how. What may pass by itself is failed once; what does not is failed from then on ("+").
ERRORS = {
    "fsync": ["EIO", "ENOSPC", "EINTR", "ENOSPC+"],
    "write": ["ENOSPC", "EIO", "EINTR", "ENOSPC+"],
    "link": ["ENOSPC", "EIO", "ENOSPC+"],
    "rename": ["ENOSPC", "EIO", "ENOSPC+"],
    "mkdir": ["ENOSPC", "EIO", "ENOSPC+"],
    "flock": ["EINTR", "ENOLCK"],
    "unlink": ["EIO"],
    "getdents64": ["EIO"],
    "openat": ["EMFILE", "ENOSPC", "EIO", "EINTR", "EMFILE+"],
    "pread64": ["EIO", "EINTR"],
    "read": ["EIO", "EINTR"],
}
LOADER = {"openat", "pread64", "read"}  # The dynamic loader makes these too, before the save begins.
MUST_SUCCEED = {"EINTR"}  # Only says: once more.


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A lake with one version, and the folder to save next; on a memory disk, where syncing costs nothing."""
    has_memory_disk = os.access("/dev/shm", os.W_OK)
    folder = Path("/dev/shm", f"varve-syscalls-{os.getpid()}") if has_memory_disk else tmp_path_factory.mktemp("syscalls")
    folder.mkdir(exist_ok=True)
    try:
        lake = folder / "lake"
        assert command("init", lake).returncode == 0
        first = subprocess.run(put_command(lake, write(folder / "one", 2), 2), capture_output=True, text=True)
        assert first.returncode == 0, first.stderr
        write(folder / "two", 3)
        yield folder
    finally:
        shutil.rmtree(folder)


def strace(folder, lake, *options):
    traced = ["strace", "-f", "-qq", "-o", folder / "trace", *options, *put_command(lake, folder / "two", 3)]
    return subprocess.run(traced, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def points(before):
    """For each kind of call the numbers, within a thread, of those that the save itself makes."""
    lake = before / "traced"
    shutil.copytree(before / "lake", lake)
    assert strace(before, lake, "-e", "trace=" + ",".join(ERRORS)).returncode == 0
    counts, most, first = Counter(), Counter(), {}
    main = None
    for line in (before / "trace").read_text().splitlines():
        found = re.match(r"(\d+) +(\w+)\((.*)", line)
        if not found:
            continue
        thread, call, arguments = found.groups()
        main = main or thread
        counts[thread, call] += 1
        most[call] = max(most[call], counts[thread, call])
        if thread == main and str(lake) in arguments and "openat" not in first:
            first = {name: counts[main, name] for name in LOADER}
    assert first, "the save opens nothing of its lake"
    return {call: range(first.get(call, 0) + (call != "openat"), most[call] + 1) for call in ERRORS}


def check_after(lake, result, scratch, can_speak=True):
    assert result.returncode >= 0, f"killed by a signal: {result.stderr}"
    if result.returncode != 0 and can_speak:
        lines = result.stderr.splitlines()
        assert lines and lines[0].startswith("varve: "), result.stderr
        assert len(lines) <= 2, result.stderr  # What failed, and what to do.
        assert "defect" not in result.stderr, result.stderr
    with varve.open(lake) as opened:
        versions = check_lake(opened, scratch)
        assert versions in ({1: 2}, {1: 2, 2: 3})
        assert 2 in versions or result.returncode != 0, "it was acknowledged"
        opened.put("model", scratch / "two", step=3)
        assert len(check_lake(opened, scratch)) == len(versions) + 1


@pytest.mark.parametrize("call", ERRORS)
def test_a_call_that_fails_loses_nothing(call, before, points):
    print(f"VARVE_CRASH_SEED={SEED}")
    assert len(points[call]) > 0, "the save makes no such call; the table is out of date"
    chance = random.Random(f"{SEED} {call}")
    for error in ERRORS[call]:
        numbers = points[call] if len(points[call]) <= NUMBERS else sorted(chance.sample(points[call], NUMBERS))
        for number in numbers:
            lake = before / "case"
            shutil.copytree(before / "lake", lake)
            when = f"{number}+" if error.endswith("+") else str(number)
            result = strace(before, lake, "-e", f"trace={call}", "-e", f"inject={call}:error={error.rstrip('+')}:when={when}")
            try:
                assert "(INJECTED)" in (before / "trace").read_text(), "nothing was failed"
                assert result.returncode == 0 or error not in MUST_SUCCEED, "it only had to ask again"
                # After it, the kernel may have dropped what a second sync would call durable.
                assert result.returncode != 0 or (call, error) != ("fsync", "EIO"), "it was believed a second time"
                if error == "EIO" and result.returncode != 0 and result.stdout:
                    assert json.loads(result.stdout)["error"]["code"] in ("io_error", "unknown_outcome")
                check_after(lake, result, before, can_speak=call != "write")
            except AssertionError as problem:
                raise AssertionError(f"{call} number {number} failed with {error}: {result.stdout}{result.stderr}") from problem
            finally:
                shutil.rmtree(lake)


def test_too_few_descriptors(before):
    for limit in range(8, 40, 2):
        lake = before / "case"
        shutil.copytree(before / "lake", lake)
        result = subprocess.run(
            put_command(lake, before / "two", 3),
            capture_output=True,
            text=True,
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        )
        try:
            check_after(lake, result, before)
        finally:
            shutil.rmtree(lake)
