"""Goal: what lives in packs that are mostly dead moves when it is asked for, and every byte stays.

Method: the built program on lakes in temporary folders; versions that share a file, of which all but one go.
"""

import json
import os
import time

import pytest
from test_cli_contract import INVALID, Command, write

SHARED, OWN = 60_000, 200_000


@pytest.fixture
def lake(tmp_path):
    """v1 to v3 share one file and have one each; v1 is let go, so most of its pack is dead."""
    shared = os.urandom(SHARED)
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        command = Command(folder)
        command.ok("init")
        command.shared, command.own = shared, {}
        for version in range(1, 4):
            command.own[version] = os.urandom(OWN)
            write(folder / "in/base.bin", shared)
            write(folder / "in/own.bin", command.own[version])
            command.ok("put", "llama", "in")
        # Two encoders may have put the files of v1 into a pack each, and then none is partly dead.
        if sum(1 for key in files(command) if key.startswith("pack/")) == 3:
            break
    command.ok("forget", "llama@v1", "--reason", "old", "--grace", "1s")
    time.sleep(1.1)
    return command


def files(lake):
    root = lake.folder / "lake"
    return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}


def expect_whole(lake):
    for version in (2, 3):
        out = lake.folder / f"out-{version}-{time.monotonic_ns()}"
        lake.ok("get", f"llama@v{version}", out)
        assert (out / "base.bin").read_bytes() == lake.shared
        assert (out / "own.bin").read_bytes() == lake.own[version]


def commits(lake):
    return {row["version"]: row["commit_id"] for row in lake.json("log", "llama")["versions"]}


def test_a_dry_run_says_what_would_be_read_written_and_freed(lake):
    before = files(lake)
    text = lake.ok("gc", "--repack")
    assert "dry run" in text and "--repack --apply" in text and "2 versions of 1 artifacts" in text
    report = lake.json("gc", "--repack")
    assert report["applied"] is False and report["versions"] == 2
    assert report["suspects"]["move"]["packs"] == 1 and len(report["rows"]) == 1
    assert SHARED < report["rows"][0]["live_bytes"] < SHARED + 2_000 < report["rows"][0]["bytes"]
    assert report["rows"][0]["key"] in before
    assert SHARED < report["read_bytes"] and SHARED < report["written_bytes"] < 2 * SHARED
    assert report["freed_bytes"] > OWN + SHARED
    assert "quote" not in report  # A folder has no price.
    assert files(lake) == before


def test_what_lives_moves_and_the_next_collection_frees_the_rest(lake):
    before, ids = files(lake), commits(lake)
    promised = lake.json("gc", "--repack")
    report = lake.json("gc", "--repack", "--apply")
    assert report["moved"] == 2 and report["damaged"] == []
    assert report["written_objects"] == promised["written_objects"]
    assert report["freed_bytes"] == promised["freed_bytes"]
    assert report["written_bytes"] == pytest.approx(promised["written_bytes"], rel=0.01)
    assert set(before) <= set(files(lake)), "a repack deletes nothing"
    expect_whole(lake)
    looked = lake.json("gc", "--grace", "0s")
    assert sum(reason["replaced"] for reason in looked["reasons"]) >= 1
    lake.ok("gc", "--apply", "--force", "--grace", "0s")
    assert promised["rows"][0]["key"] not in files(lake)
    assert sum(files(lake).values()) < sum(before.values()) - OWN + 5_000
    expect_whole(lake)
    assert commits(lake) == ids
    assert lake.json("verify", "llama@v2")["damage"] == []
    lake.ok("fsck", "--deep")
    again = lake.json("gc", "--repack", "--apply")
    assert again["moved"] == 0 and again["written_bytes"] == 0


def test_the_threshold_can_be_said(lake):
    assert lake.json("gc", "--repack", "--dead", "90")["versions"] == 0
    assert lake.json("gc", "--repack", "--dead", "60")["versions"] == 2
    for words in (["--dead", "0"], ["--dead", "100"]):
        lake.fails(INVALID, "gc", "--repack", *words)


@pytest.mark.parametrize("words", [["--force"], ["--grace", "0s"]])
def test_what_only_a_deletion_needs_is_refused(lake, words):
    assert "deletes nothing" in lake.fails(INVALID, "gc", "--repack", *words)


def test_what_was_forgotten_comes_back_after_a_repack(lake):
    lake.ok("forget", "llama@v3", "--reason", "perhaps", "--grace", "1h")
    lake.ok("gc", "--repack", "--apply")
    lake.ok("gc", "--apply", "--force", "--grace", "0s")
    lake.ok("undelete", "llama@v3")
    expect_whole(lake)


def test_the_report_is_one_object(lake):
    done = lake.run("gc", "--repack", "--json")
    assert isinstance(json.loads(done.stdout), dict)
