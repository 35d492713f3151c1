"""Goal: every verb does what its help says, and errors say what to do. Method: the real binary on lakes in folders."""

import json
import os


def test_a_day_in_the_life(varve, tmp_path):
    source = tmp_path / "model"
    source.mkdir()
    (source / "a.txt").write_text("one")
    varve("init")
    varve("put", "tok", source, "--metric", "acc=0.5", "--alias", "best", "-m", "first", "--step", "3")
    (source / "a.txt").write_text("two")
    assert json.loads(varve("put", "tok", source, "--json").stdout)["version"] == 2
    versions = json.loads(varve("log", "tok", "--json").stdout)["versions"]
    assert [v["version"] for v in versions] == [2, 1] and versions[1]["metrics"] == {"acc": 0.5}
    assert json.loads(varve("show", "tok@best", "--json").stdout)["files"][0]["path"] == "a.txt"
    diff = json.loads(varve("diff", "tok@v1", "tok@v2", "--json").stdout)
    assert [item["path"] for item in diff["changed"]] == ["a.txt"]
    varve("alias", "tok", "best", "v2")
    varve("tag", "tok", "paper", "v1")
    varve("tag", "tok", "paper", "v2", status=5)
    varve("get", "tok@paper", tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == "one"
    varve("forget", "tok@v2", status=6)
    varve("unalias", "tok", "best")
    varve("forget", "tok@v2", "--reason", "bad")
    assert "bad" in varve("get", "tok@v2", tmp_path / "out2", status=16).stderr
    assert "all as it was saved" in varve("verify", "tok").stdout
    varve("init", tmp_path / "other")
    varve("copy", "tok", "--to", tmp_path / "other")
    assert "tok" in varve("ls", tmp_path / "other").stdout


def test_errors_say_what_to_do(varve, tmp_path):
    assert "varve init" in varve("ls", status=4).stderr
    varve("init")
    assert "already" in varve("init", status=5).stderr
    (tmp_path / "f").write_text("x")
    varve("put", "llama", tmp_path / "f")
    assert "'llama'" in varve("log", "lama", status=4).stderr
    assert "newest is v1" in varve("show", "llama@v9", status=4).stderr
    assert "not allowed" in varve("put", "../x", tmp_path / "f", status=2).stderr
    assert json.loads(varve("log", "lama", "--json", status=4).stdout)["error"]["code"] == "not_found"
    occupied = tmp_path / "occupied"
    occupied.mkdir()
    (occupied / "thing").touch()
    assert "not empty" in varve("init", occupied, status=2).stderr
    inside = varve("init", tmp_path, status=2).stderr
    assert "another lake" in inside or "not empty" in inside


def test_damage_is_found(varve, tmp_path):
    varve("init")
    (tmp_path / "f").write_bytes(os.urandom(100_000))
    varve("put", "x", tmp_path / "f")
    pack = next(p for p in (tmp_path / "lake" / "pack").rglob("*") if p.is_file())
    data = bytearray(pack.read_bytes())
    data[5000] ^= 1
    pack.write_bytes(data)
    assert "damaged" in varve("verify", "x", status=11).stdout
    varve("get", "x", tmp_path / "out", status=11)
    assert not (tmp_path / "out").exists()


def test_every_verb_has_help_with_an_example(varve):
    for verb in "init ls log show diff put get alias unalias tag forget undelete pin unpin hold unhold retain verify copy".split():
        assert "Example: varve" in varve(verb, "--help").stdout
