"""`varve save` and `varve load` against the reference implementation of safetensors.

Goal: a safetensors file goes into a lake and comes out with every tensor, dtype, shape, byte and text of its
metadata; what either side cannot express is refused by name, and then nothing is stored or written.
Method: files of the `safetensors` package, the built program, and files spelled by hand where the package refuses.
"""

import json
import os
import pathlib
import struct
import subprocess

import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file

import varve

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARVE = os.environ.get("VARVE_BIN", str(ROOT / "build/release/bin/varve"))
INVALID, UNSUPPORTED, NOT_FOUND, EXISTS = 2, 3, 4, 5


@pytest.fixture
def run(tmp_path):
    def run(*words, status=0):
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VARVE_LAKE": str(tmp_path / "lake")}
        done = subprocess.run([VARVE, *map(str, words)], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    run("init")
    return run


def raw_file(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def raw_tensors(path):
    return {name: (each["dtype"], each["shape"], bytes(each["data"])) for name, each in safetensors.deserialize(path.read_bytes())}


DTYPES = [
    "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz",
    "float4_e2m1fn_x2",
]


def state():
    noise = torch.Generator().manual_seed(5)
    tensors = {}
    for name in DTYPES:
        data = torch.randint(0, 256, (6, 16), dtype=torch.uint8, generator=noise)
        tensors[f"model.{name}"] = data % 2 == 0 if name == "bool" else data.view(getattr(torch, name))
    tensors["path/like"] = torch.randn(1000, 3000, generator=noise)  # More than one chunk.
    tensors["zero.dim"] = torch.tensor(3.5)
    tensors["empty"] = torch.empty(0, 4)
    return tensors


def same(a, b):
    def flat(t):
        return t.contiguous().reshape(-1).view(torch.uint8) if t.numel() else t.reshape(-1).float()

    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(flat(a), flat(b))


def test_every_dtype_shape_and_text_comes_back(run, tmp_path):
    wanted = state()
    save_file(wanted, tmp_path / "in.safetensors", metadata={"format": "pt", "note": "é\n\"quoted\""})
    report = json.loads(run("save", "net", "in.safetensors", "--step", "7", "--metadata", '{"seed": 3}', "--json"))
    assert report["version"] == 1 and report["logical_bytes"] == sum(t.nbytes for t in wanted.values())
    loaded = json.loads(run("load", "net@v1", "out.safetensors", "--json"))
    assert loaded["tensors"] == len(wanted) and loaded["bytes"] == report["logical_bytes"]
    assert raw_tensors(tmp_path / "out.safetensors") == raw_tensors(tmp_path / "in.safetensors")
    with safetensors.safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "note": "é\n\"quoted\""}
    shown = json.loads(run("show", "net", "--json"))
    assert shown["step"] == 7 and shown["metadata"]["seed"] == 3 and shown["type"] == "model"
    with varve.open(tmp_path / "lake") as lake:  # What the command saved, Python loads, key by key.
        state_back = lake.load("net")
    assert state_back.keys() == wanted.keys()
    assert all(same(state_back[name], wanted[name]) for name in wanted)


def test_six_bit_floats_come_back_though_torch_has_none(run, tmp_path):
    header = {
        "a": {"dtype": "F6_E2M3", "shape": [2, 8], "data_offsets": [0, 12]},
        "b": {"dtype": "F6_E3M2", "shape": [4], "data_offsets": [12, 15]},
    }
    raw_file(tmp_path / "in.safetensors", header, os.urandom(15))
    run("save", "six", "in.safetensors")
    run("load", "six", "out.safetensors")
    assert raw_tensors(tmp_path / "out.safetensors") == raw_tensors(tmp_path / "in.safetensors")


def test_shards_are_one_version_and_only_chooses(run, tmp_path):
    save_file({"enc.w": torch.ones(3)}, tmp_path / "1.safetensors", metadata={"format": "pt"})
    save_file({"dec.w": torch.zeros(2), "dec.b": torch.ones(1)}, tmp_path / "2.safetensors", metadata={"format": "pt"})
    run("save", "net", "1.safetensors", "2.safetensors")
    run("load", "net", "all.safetensors")
    assert set(load_file(tmp_path / "all.safetensors")) == {"enc.w", "dec.w", "dec.b"}
    run("load", "net", "dec.safetensors", "--only", "dec.b", "--only", "*.none", "--only", "enc*")
    assert set(load_file(tmp_path / "dec.safetensors")) == {"dec.b", "enc.w"}
    assert "one of them is 'dec.w'" in run("load", "net", "x.safetensors", "--only", "dec.ww", status=NOT_FOUND)
    assert "more than one of the files" in run("save", "net", "1.safetensors", "1.safetensors", status=INVALID)
    save_file({"other": torch.ones(1)}, tmp_path / "3.safetensors", metadata={"format": "np"})
    assert "disagree" in run("save", "net", "1.safetensors", "3.safetensors", status=INVALID)
    assert json.loads(run("ls", "--json"))["artifacts"][0]["versions"] == 1


def test_an_unchanged_file_costs_no_upload(run, tmp_path):
    save_file({"w": torch.randn(500_000)}, tmp_path / "w.safetensors")
    run("save", "net", "w.safetensors")
    again = json.loads(run("save", "net", "w.safetensors", "--json"))
    assert again["shared_bytes"] == again["logical_bytes"] == 2_000_000 and again["stored_bytes"] < 5000


def test_what_safetensors_cannot_say_is_refused_by_path(run, tmp_path):
    with varve.open(tmp_path / "lake") as lake:
        lake.save("run", {"model": {"w": torch.ones(4)}, "opt": {"steps": [torch.ones(1), 17]}})
        lake.save("wide", {"z": torch.ones(2, dtype=torch.complex128), "w": torch.ones(1)})
    assert "'opt/steps/1' of 'run@latest' is a number" in run("load", "run@latest", "o.safetensors", status=UNSUPPORTED)
    assert "'z': no dtype like c128" in run("load", "wide", "o.safetensors", status=UNSUPPORTED)
    assert not list(tmp_path.glob("o.safetensors*"))
    run("load", "run", "o.safetensors", "--only", "model/*")
    assert torch.equal(load_file(tmp_path / "o.safetensors")["model/w"], torch.ones(4))


def test_nothing_is_written_over_or_left_behind(run, tmp_path):
    save_file({"w": torch.ones(1)}, tmp_path / "w.safetensors")
    run("save", "net", "w.safetensors")
    before = (tmp_path / "w.safetensors").read_bytes()
    assert "exists" in run("load", "net", "w.safetensors", status=EXISTS)
    assert (tmp_path / "w.safetensors").read_bytes() == before
    run("load", "net", "missing/x.safetensors", status=NOT_FOUND)
    (tmp_path / "link.safetensors").symlink_to("nowhere")
    run("load", "net", "link.safetensors", status=EXISTS)
    assert not [p for p in tmp_path.iterdir() if ".varve-" in p.name]


def test_damage_writes_no_file(run, tmp_path):
    save_file({"w": torch.randn(100_000)}, tmp_path / "w.safetensors")
    run("save", "net", "w.safetensors")
    pack = max((p for p in (tmp_path / "lake").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    assert "'w' is damaged" in run("load", "net", "out.safetensors", status=11)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("header", "data", "wanted"),
    [
        ({"../up": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"x", "not allowed"),
        ({"": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"x", "not allowed"),
        ({"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}, b"xx", "belong to no tensor"),
        ({"a": {"dtype": "Q9", "shape": [1], "data_offsets": [0, 1]}}, b"x", "unknown dtype"),
    ],
)
def test_a_file_that_is_wrong_is_refused_and_named(run, tmp_path, header, data, wanted):
    raw_file(tmp_path / "bad.safetensors", header, data)
    error = run("save", "net", "bad.safetensors", status=INVALID)
    assert wanted in error and "bad.safetensors" in error
    assert json.loads(run("ls", "--json"))["artifacts"] == []


def test_other_files_are_no_safetensors(run, tmp_path):
    (tmp_path / "text").write_text("hello, world: this is no safetensors file")
    (tmp_path / "empty").touch()
    run("save", "net", "text", status=INVALID)
    run("save", "net", "empty", status=INVALID)
    run("save", "net", "missing", status=NOT_FOUND)
    assert "regular file" in run("save", "net", ".", status=UNSUPPORTED)
    run("put", "files", "text")
    assert "varve get" in run("load", "files", "o.safetensors", status=INVALID)
