"""What scripts and terminals rely on from the varve command.

Goal: no verb loses or changes data it was not asked to; every failure has its exit code, one JSON
object and a message to act on; nothing a name holds reaches a terminal raw.
Method: the built program on lakes in temporary folders, seen only through arguments, output, exit
status and files.
"""

import json
import os
import pathlib
import pty
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARVE = os.environ.get("VARVE_BIN", str(ROOT / "build/release/bin/varve"))

INVALID, NOT_FOUND, EXISTS, CONFLICT, CORRUPT, GONE, CANCELLED = 2, 4, 5, 6, 11, 16, 130


class Command:
    """Runs varve in one folder, with one default lake and an empty home."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "VARVE_LAKE": str(folder / "lake")}

    def run(self, *words: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [VARVE, *map(str, words)], cwd=self.folder, env=self.env, capture_output=True, timeout=60
        )

    def ok(self, *words: object) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *words: object) -> dict:
        return json.loads(self.ok(*words, "--json"))

    def fails(self, code: int, *words: object) -> str:
        """Both faces of a failure; the text on stderr is returned."""
        done = self.run(*words)
        text = done.stderr.decode()
        assert done.returncode == code, (done.returncode, text)
        assert text.startswith("varve: ") and len(text.splitlines()) in (1, 2), text
        as_json = self.run(*words, "--json")
        assert as_json.returncode == code
        error = json.loads(as_json.stdout)["error"]
        assert error["code"] and error["message"]
        return text


@pytest.fixture
def varve(tmp_path):
    command = Command(tmp_path)
    command.ok("init")
    return command


def write(path: pathlib.Path, data: bytes) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def two_versions(varve):
    """tok@v1 and tok@v2: one file changed, a big one shared."""
    write(varve.folder / "in/a.txt", b"one")
    write(varve.folder / "in/sub/big.bin", os.urandom(3_000_000))
    varve.ok("put", "tok", "in", "--alias", "prod", "-m", "first", "--metric", "loss=0.5", "--step", "7")
    write(varve.folder / "in/a.txt", b"two!")
    varve.ok("put", "tok", "in", "--type", "dataset", "--metadata", '{"seed": 3}')
    return varve


def tree(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# What comes back


def test_get_returns_every_byte_of_each_version(two_versions):
    varve = two_versions
    varve.ok("get", "tok@v1", "one")
    varve.ok("get", "tok@latest", "two")
    big = (varve.folder / "in/sub/big.bin").read_bytes()
    assert tree(varve.folder / "one") == {"a.txt": b"one", "sub/big.bin": big}
    assert tree(varve.folder / "two") == {"a.txt": b"two!", "sub/big.bin": big}


def test_get_never_writes_over_what_is_there(two_versions):
    write(two_versions.folder / "mine/keep", b"precious")
    two_versions.fails(EXISTS, "get", "tok", "mine")
    assert tree(two_versions.folder / "mine") == {"keep": b"precious"}


def test_an_empty_file_comes_back_empty(varve):
    write(varve.folder / "empty", b"")
    varve.ok("put", "empty", "empty")
    varve.ok("get", "empty", "out")
    assert tree(varve.folder / "out") == {"empty": b""}


def test_put_of_what_is_there_sends_only_metadata(two_versions):
    report = two_versions.json("put", "tok", "in")
    assert report["version"] == 3
    assert report["shared_bytes"] == report["logical_bytes"] == 3_000_004
    assert report["stored_bytes"] < 10_000


def test_put_of_nothing_makes_no_version(varve):
    varve.fails(NOT_FOUND, "put", "tok", "missing")
    assert varve.json("ls")["artifacts"] == []


def test_a_flipped_byte_is_named_and_never_handed_out(two_versions):
    varve = two_versions
    assert varve.json("verify", "tok")["damage"] == []
    objects = [p for p in (varve.folder / "lake").rglob("*") if p.is_file()]
    pack = max(objects, key=lambda p: p.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    done = varve.run("verify", "tok", "--json")
    assert done.returncode == CORRUPT
    damage = json.loads(done.stdout)["damage"]  # One object: not a report, then an error.
    assert [row["item"] for row in damage] == ["sub/big.bin"]
    varve.fails(CORRUPT, "get", "tok", "out")
    assert not (varve.folder / "out").exists()


# Reports


def test_log_and_show_tell_what_put_was_told(two_versions):
    varve = two_versions
    versions = varve.json("log", "tok")["versions"]
    assert [v["version"] for v in versions] == [2, 1]
    first = versions[1]
    assert (first["message"], first["step"], first["metrics"]) == ("first", 7, {"loss": 0.5})
    assert first["aliases"] == ["prod"] and first["forgotten"] is None
    shown = varve.json("show", "tok")
    assert shown["type"] == "dataset" and shown["metadata"] == {"seed": 3}
    assert shown["parents"] == [first["commit_id"]]
    assert {f["path"]: f["bytes"] for f in shown["files"]} == {"a.txt": 4, "sub/big.bin": 3_000_000}
    assert len(varve.json("log", "tok", "-n", "1")["versions"]) == 1
    assert "first  loss=0.5" in varve.ok("log", "tok")
    assert "tok@v2  dataset" in varve.ok("show", "tok")


def test_ls_lists_each_artifact(two_versions):
    two_versions.ok("put", "other", "in")
    rows = {row["name"]: row for row in two_versions.json("ls")["artifacts"]}
    assert set(rows) == {"tok", "other"}
    assert rows["tok"]["versions"] == rows["tok"]["last_version"] == 2


def test_diff_counts_what_is_shared(two_versions):
    report = two_versions.json("diff", "tok@v1", "tok@v2")
    assert [row["path"] for row in report["changed"]] == ["a.txt"]
    assert [row["path"] for row in report["equal"]] == ["sub/big.bin"]
    assert report["added"] == report["removed"] == []
    counts = (report["bytes_shared"], report["bytes_only_left"], report["bytes_only_right"])
    assert counts == (3_000_000, 3, 4)
    assert "1 changed, 1 equal" in two_versions.ok("diff", "tok@v1", "tok@v2")


# Labels


def test_an_alias_moves_and_a_tag_does_not(two_versions):
    varve = two_versions
    varve.ok("alias", "tok", "prod", "v2")
    assert varve.json("show", "tok@prod")["version"] == 2
    varve.ok("tag", "tok", "paper", "v1")
    varve.fails(EXISTS, "tag", "tok", "paper", "v2")
    assert varve.json("show", "tok@paper")["version"] == 1
    varve.ok("unalias", "tok", "prod")
    varve.fails(NOT_FOUND, "show", "tok@prod")


def test_forget_spares_what_a_label_holds(two_versions):
    varve = two_versions
    assert "'prod'" in varve.fails(CONFLICT, "forget", "tok@v1")
    assert varve.json("show", "tok@v1")["version"] == 1
    varve.ok("unalias", "tok", "prod")
    varve.ok("forget", "tok@v1", "--reason", "diverged")
    varve.fails(GONE, "get", "tok@v1", "out")
    assert varve.json("log", "tok")["versions"][1]["forgotten"] == "diverged"
    assert "(forgotten)" in varve.ok("log", "tok")
    varve.ok("get", "tok@v2", "out")


# Lakes


def test_copy_keeps_ids_and_bytes_and_repeats_nothing(two_versions):
    varve = two_versions
    varve.ok("init", "second")
    report = varve.json("copy", "tok", "--to", "second")
    assert (report["versions_copied"], report["versions_skipped"]) == (2, 0)
    again = varve.json("copy", "tok", "--to", "second")
    assert (again["versions_copied"], again["versions_skipped"], again["bytes_sent"]) == (0, 2, 0)
    ids = [v["commit_id"] for v in varve.json("log", "tok")["versions"]]
    assert [v["commit_id"] for v in varve.json("log", "tok", "--lake", "second")["versions"]] == ids
    varve.ok("get", "tok@v2", "out", "--lake", "second")
    assert tree(varve.folder / "out") == tree(varve.folder / "in")


def test_two_lakes_below_one_prefix_do_not_see_each_other(varve):
    write(varve.folder / "f", b"x")
    for lake in ("team/a", "team/b"):
        varve.ok("init", lake)
        varve.ok("put", "only-" + lake[-1], "f", "--lake", lake)
    for lake in ("team/a", "team/b"):
        assert [row["name"] for row in varve.json("ls", lake)["artifacts"]] == ["only-" + lake[-1]]


def test_init_changes_nothing_where_something_is(varve):
    varve.fails(EXISTS, "init")
    write(varve.folder / "data/file", b"x")
    varve.fails(INVALID, "init", "data")
    assert tree(varve.folder / "data") == {"file": b"x"}


def test_where_the_lake_comes_from(varve):
    """Option, then environment, then config file, then an error that says so."""
    varve.ok("init", "chosen")
    write(varve.folder / "f", b"x")
    varve.ok("put", "there", "f", "--lake", "chosen")
    assert "there" in varve.ok("ls", "chosen")
    assert "there" in varve.ok("ls", "--lake", "chosen")
    assert "there" in varve.ok("--lake", "chosen", "ls")
    assert "there" in varve.ok("ls", "file://" + str(varve.folder / "chosen"))
    assert "there" not in varve.ok("ls")
    del varve.env["VARVE_LAKE"]
    assert "VARVE_LAKE" in varve.fails(INVALID, "ls")
    write(varve.folder / ".config/varve/config.json", json.dumps({"lake": "chosen"}).encode())
    assert "there" in varve.ok("ls")


def test_a_missing_lake_says_how_to_make_one_and_makes_nothing(varve):
    assert "varve init" in varve.fails(NOT_FOUND, "ls", "nowhere")
    assert not (varve.folder / "nowhere").exists()
    assert "'ftp'" in varve.fails(INVALID, "ls", "ftp://host/x")
    assert "prefix" in varve.fails(INVALID, "ls", "s3://bucket")


# Failures


@pytest.mark.parametrize(
    ("words", "wanted"),
    [(("log", "tk"), "'tok'"), (("show", "tok@prd"), "'prod'"), (("show", "tok@v9"), "newest is v2")],
)
def test_a_slip_in_a_name_gives_the_nearest_one(two_versions, words, wanted):
    assert wanted in two_versions.fails(NOT_FOUND, *words)


@pytest.mark.parametrize("name", ["../x", "a b", "/abs", "a//b", "x" * 201, ".", "a@b@c", "tab\tname", ""])
def test_bad_names_are_refused_and_nothing_is_written(varve, name):
    write(varve.folder / "f", b"x")
    before = set((varve.folder / "lake").rglob("*"))
    varve.fails(INVALID, "put", name, "f")
    assert set((varve.folder / "lake").rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("lgo", "tok"),
        ("log",),
        ("log", "tok", "extra"),
        ("log", "tok", "-n", "-1"),
        ("put", "tok", "f", "--step", "abc"),
        ("put", "tok", "f", "--metric", "loss"),
        ("put", "tok", "f", "--metric", "=1"),
        ("put", "tok", "f", "--metric", "loss="),
        ("put", "tok", "f", "--metric", "loss=low"),
        ("put", "tok", "f", "--metadata", "[1]"),
        ("put", "tok", "f", "--bogus"),
    ],
)
def test_a_command_line_that_makes_no_sense_changes_nothing(varve, words):
    write(varve.folder / "f", b"x")
    varve.fails(INVALID, *words)
    assert varve.json("ls")["artifacts"] == []


def test_a_slip_in_a_verb_gives_the_nearest_one(varve):
    assert "'log'" in varve.fails(INVALID, "lgo", "tok")
    assert "varve put --help" in varve.fails(INVALID, "put", "tok")


# The terminal


def test_control_characters_never_reach_the_output(two_versions):
    message = "\x1b[31mred\x07\u009b"
    two_versions.ok("put", "tok", "in", "-m", message)
    for words in (("log", "tok"), ("show", "tok")):
        text = two_versions.ok(*words)
        assert "\\x1b[31mred\\x07\\x9b" in text
        assert not any(c < " " and c != "\n" for c in text)
    assert two_versions.json("show", "tok")["message"] == message
    done = two_versions.run("log", "no\x1b[31m")
    assert b"\x1b" not in done.stderr + done.stdout


def test_progress_is_drawn_on_a_terminal_only(two_versions):
    assert two_versions.run("verify", "tok").stderr == b""
    ours, theirs = pty.openpty()
    subprocess.run(
        [VARVE, "verify", "tok"],
        cwd=two_versions.folder,
        env=two_versions.env,
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        check=True,
    )
    os.set_blocking(ours, False)
    assert b"verify" in os.read(ours, 100_000)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    "words",
    [
        ["gc", "--grace=", "--json"], ["gc", "--apply", "--force", "--grace="], ["put", "tok", "in", "--message=", "--json"],
        ["forget", "tok@v1", "--reason=", "--grace", "0s"], ["ls", "--lake=", "--json"], ["--lake=", "ls"], ["put", "tok", "in", "--step=", "-m", "x"],
    ],
)
def test_an_option_without_its_value_takes_no_other_word(two_versions, words):
    varve = two_versions
    before = {path: path.read_bytes() for path in (varve.folder / "lake").rglob("*") if path.is_file()}
    done = varve.run(*words)
    assert done.returncode == INVALID, done.stdout
    option = next(word for word in words if word.endswith("="))
    assert f"nothing follows the = of '{option}'" in done.stderr.decode() and len(done.stderr.splitlines()) <= 2
    if "--json" in words:
        assert json.loads(done.stdout)["error"]["code"] == "invalid_argument"
    assert before == {path: path.read_bytes() for path in (varve.folder / "lake").rglob("*") if path.is_file()}
    # With a value, and behind "--", it is what it says.
    assert "dry run" in varve.ok("gc", "--grace=0s")
    write(varve.folder / "--x=", b"a name")
    varve.ok("put", "--message", "", "odd", "--", "--x=")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_put_leaves_no_version_and_says_so(varve, stop):
    """Stopped once its first object is there, with most of the input still to come."""
    for i in range(40):
        write(varve.folder / f"in/{i}", os.urandom(8 << 20))
    before = set((varve.folder / "lake/pack").rglob("*"))
    with subprocess.Popen(
        [VARVE, "put", "tok", "in", "--json"],
        cwd=varve.folder,
        env=varve.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as put:
        deadline = time.monotonic() + 30
        while set((varve.folder / "lake/pack").rglob("*")) == before and time.monotonic() < deadline:
            time.sleep(0.001)
        put.send_signal(stop)
        out, err = put.communicate(timeout=30)
    assert put.returncode == CANCELLED, (put.returncode, err)
    assert json.loads(out)["error"]["code"] == "cancelled"
    assert varve.json("ls")["artifacts"] == []
