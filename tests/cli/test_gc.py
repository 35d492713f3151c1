"""Goal: garbage goes when it is asked for and nothing else ever does; what a person is told is what happens.

Method: the built program on lakes in temporary folders; every byte that stays is compared.
"""

import os
import time

import pytest
from test_cli_contract import INVALID, Command, write

UNSUPPORTED = 3
BYTES = 200_000


def content(version):
    return bytes([version]) * 100 + os.urandom(BYTES)


@pytest.fixture
def lake(tmp_path):
    """v1 to v5 of one artifact, each of bytes of its own."""
    command = Command(tmp_path)
    command.ok("init")
    command.saved = {}
    for version in range(1, 6):
        command.saved[version] = content(version)
        write(tmp_path / "in/model.bin", command.saved[version])
        command.ok("put", "llama", "in")
    return command


def forget(lake, *versions, grace="1s"):
    for version in versions:
        lake.ok("forget", f"llama@v{version}", "--reason", "old", "--grace", grace)
    if grace == "1s":
        time.sleep(1.1)  # Until then it may be brought back, and nothing takes it.


def packs(lake):
    return sorted(path.name for path in (lake.folder / "lake" / "pack").rglob("*") if path.is_file())


def expect_loads(lake, *versions):
    for version in versions:
        out = lake.folder / f"out-{version}-{time.monotonic_ns()}"
        lake.ok("get", f"llama@v{version}", out)
        assert (out / "model.bin").read_bytes() == lake.saved[version]


def test_a_dry_run_says_what_would_go_and_touches_nothing(lake):
    forget(lake, 2)
    before = {path: path.stat().st_mtime_ns for path in (lake.folder / "lake").rglob("*") if path.is_file()}
    text = lake.ok("gc", "--grace", "0s")
    assert "1 forgotten of llama" in text and "dry run" in text and "--apply" in text
    report = lake.json("gc", "--grace", "0s")
    assert report["applied"] is False and report["deleted_objects"] == 0
    assert report["garbage"]["packs"]["objects"] == 1
    assert BYTES <= report["garbage"]["packs"]["bytes"] < 2 * BYTES
    assert report["reasons"][0]["artifact"] == "llama" and report["reasons"][0]["versions"] == 1
    assert before == {path: path.stat().st_mtime_ns for path in (lake.folder / "lake").rglob("*") if path.is_file()}


def test_apply_deletes_that_and_no_more(lake):
    forget(lake, 2)
    promised = lake.json("gc", "--grace", "0s")["garbage"]
    report = lake.json("gc", "--apply", "--grace", "0s")
    assert report["applied"] is True
    assert report["freed"]["bytes"] >= promised["packs"]["bytes"] + promised["commits"]["bytes"]
    assert len(packs(lake)) == 4
    expect_loads(lake, 1, 3, 4, 5)
    again = lake.json("gc", "--apply", "--grace", "0s")
    assert again["deleted_objects"] == 0 and again["garbage"]["packs"]["objects"] == 0
    assert "deleted   0 objects" in lake.ok("gc", "--apply", "--grace", "0s")


def test_what_is_young_or_may_come_back_stays(lake):
    forget(lake, 1, grace="1h")
    assert lake.json("gc", "--grace", "0s")["garbage"]["packs"]["objects"] == 0
    forget(lake, 2)
    assert lake.json("gc")["young"]["objects"] > 0  # 48h unless said otherwise.
    assert "too young" in lake.ok("gc", "--apply")
    assert len(packs(lake)) == 5
    lake.ok("undelete", "llama@v1")
    expect_loads(lake, 1, 3, 4, 5)


def test_more_than_a_third_needs_force(lake):
    forget(lake, 1, 2, 3)
    error = lake.fails(INVALID, "gc", "--apply", "--grace", "0s")
    assert "more than 30 %" in error and "--force" in error and "nothing was deleted" in error
    assert len(packs(lake)) == 5
    assert "deleted" in lake.ok("gc", "--apply", "--force", "--grace", "0s")
    assert len(packs(lake)) == 2
    expect_loads(lake, 4, 5)


@pytest.mark.parametrize("name", ["pack/notes.txt", "ref/b2/llama", "README", "meta/00/x"])
def test_an_object_of_another_stops_it(lake, name):
    forget(lake, 2)
    write(lake.folder / "lake" / name, b"mine")
    for words in [["gc", "--grace", "0s"], ["gc", "--apply", "--force", "--grace", "0s"]]:
        error = lake.fails(UNSUPPORTED, *words)
        assert name in error and "nothing was deleted" in error
    assert len([each for each in packs(lake) if each != "notes.txt"]) == 5
    expect_loads(lake, 1, 3, 4, 5)


@pytest.mark.parametrize("grace", ["48", "h", "-1h", "1.5h", "2 days", "99999999999999999999s", "9999999999999999d"])
def test_a_grace_that_is_no_time_is_refused(lake, grace):
    assert "48h" in lake.fails(INVALID, "gc", "--apply", f"--grace={grace}")
    assert len(packs(lake)) == 5


def test_a_damaged_head_stops_it(lake):
    forget(lake, 2)
    head = lake.folder / "lake" / "ref" / "b" / "llama"
    whole = head.read_bytes()
    head.write_bytes(whole[:-20])
    done = lake.run("gc", "--apply", "--force", "--grace", "0s")
    assert done.returncode == 11 and b"llama" in done.stderr
    assert len(packs(lake)) == 5
    head.write_bytes(whole)
    lake.ok("gc", "--apply", "--grace", "0s")
    expect_loads(lake, 1, 3, 4, 5)
