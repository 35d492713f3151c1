"""Goal: a damaged lake is told of, mended, and its lost heads found. Method: the real binary on folders damaged from outside."""

import json
import shutil

import pytest

import varve as package

DAMAGED = 11


@pytest.fixture
def varve(varve, tmp_path):
    varve("init")
    for version in ("one", "two"):
        (tmp_path / "f").write_bytes(version.encode() * 10_000)
        varve("put", "tok", tmp_path / "f")
    shutil.copytree(tmp_path / "lake", tmp_path / "copy")
    return varve


def flip(path):
    body = bytearray(path.read_bytes())
    body[90] ^= 1
    path.chmod(0o644)
    path.write_bytes(body)


def test_a_damaged_pack_is_told_of_and_mended_from_a_copy(varve, tmp_path):
    assert "nothing is damaged" in varve("fsck").stdout
    for pack in (tmp_path / "lake" / "pack").rglob("*"):
        if pack.is_file():
            flip(pack)
    varve("fsck")  # Lengths and footers are sound.
    found = json.loads(varve("fsck", "--deep", "--json", status=DAMAGED).stdout)
    assert {row["kind"] for row in found["findings"]} == {"pack-chunk"}
    assert sorted(hurt for row in found["findings"] for hurt in row["affected"]) == ["tok@v1: f", "tok@v2: f"]
    alone = varve("fsck", "--deep", "--repair", status=DAMAGED).stdout
    assert "not mended" in alone and "--from LAKE" in alone
    assert "mended" in varve("fsck", "--deep", "--repair", "--from", tmp_path / "copy").stdout
    assert "nothing is damaged" in varve("fsck", "--deep").stdout
    varve("get", "tok@v1", tmp_path / "out")
    assert (tmp_path / "out" / "f").read_bytes() == b"one" * 10_000
    assert "--repair" in varve("fsck", "--from", tmp_path / "copy", status=2).stderr


def test_a_budget_and_its_cursor(varve, tmp_path):
    place = tmp_path / "place"
    first = json.loads(varve("fsck", "--deep", "--budget", "100B", "--cursor-file", place, "--json").stdout)
    assert (first["packs"], first["packs_checked"], first["complete"]) == (2, 1, False)
    second = json.loads(varve("fsck", "--deep", "--budget", "100B", "--cursor-file", place, "--json").stdout)
    assert (second["packs_checked"], second["complete"]) == (1, True) and not place.exists()
    assert "50GiB" in varve("fsck", "--budget", "much", status=2).stderr


def test_a_lost_head_comes_back_when_asked(varve, tmp_path):
    assert json.loads(varve("find-lost", "--json").stdout)["lost"] == []
    (tmp_path / "lake" / "ref" / "b" / "tok").unlink()
    lost = json.loads(varve("find-lost", "--json").stdout)["lost"]
    assert [(row["artifact"], row["version"], row["complete"]) for row in lost] == [("tok", 1, True), ("tok", 2, True)]
    assert "varve undelete tok@vN" in varve("find-lost", "--rebuild", "tok").stdout
    assert "found by a rebuild" in varve("get", "tok@v2", tmp_path / "out", status=16).stderr
    varve("undelete", "tok@v2")
    varve("get", "tok@v2", tmp_path / "out")
    assert (tmp_path / "out" / "f").read_bytes() == b"two" * 10_000
    varve("find-lost", "--rebuild", "tok", status=4)


def test_from_python(varve, tmp_path):
    with package.open(tmp_path / "lake") as lake:
        health = lake.fsck(deep=True)
        assert (health.versions, health.packs, health.findings, health.cursor) == (2, 2, [], "")
        meta = next(path for path in (tmp_path / "lake" / "meta").rglob("*") if path.is_file())
        meta.unlink()
        (finding,) = lake.fsck().findings
        assert finding.kind == "commit-missing" and finding.harm == "loss" and not finding.repaired
        (finding,) = lake.fsck(repair=True).findings
        assert "no other commit object" in finding.repair
