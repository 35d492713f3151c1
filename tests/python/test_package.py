"""Goal: every kind of state comes back as it was, and nothing else is accepted.

Method: round trips over a lake in a folder; changes after save_async; refusals by path; damage on disk.
"""

import collections
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from varve.torch import Checkpointer

import varve
from varve import _core, errors

ROOT = Path(__file__).parent.parent.parent
DTYPES = [
    getattr(torch, name)
    for name in (
        "uint8 int8 int16 int32 int64 uint16 uint32 uint64 bool float16 bfloat16 float32 float64 float8_e4m3fn float8_e5m2 "
        "float8_e4m3fnuz float8_e5m2fnuz complex32 complex64 complex128"
    ).split()
    if hasattr(torch, name)
]


def raw(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_and_layout(lake, dtype):
    torch.manual_seed(1)
    width = torch.empty((), dtype=dtype).element_size()
    source = torch.randint(0, 2 if dtype == torch.bool else 256, (24 * width,), dtype=torch.uint8).view(dtype).reshape(4, 6)
    state = {"plain": source, "transposed": source.t(), "strided": source[:, ::2], "scalar": source[0, 0], "none": source[:0]}
    lake.save("m", state)
    loaded = lake.load("m")
    for key, value in state.items():
        assert loaded[key].dtype == dtype
        assert loaded[key].shape == value.shape
        assert torch.equal(raw(loaded[key]), raw(value))


def test_values_keep_their_types(lake):
    state = {
        "a": [1, -(2**80), True, None, 0.1, float("inf"), "text é", b"\x00\xff", 1 + 2j], "t": (1, (2, [3])), 7: {"7": 1},
        "o": collections.OrderedDict([("b", 1), ("a", 2)]), "size": torch.Size([2, 3]), "dtype": torch.bfloat16,
        "device": torch.device("cpu"), "set": {1, 2}, "np": np.float32(0.1), "array": np.arange(6).reshape(2, 3), "..": 1,
        "a/b": torch.ones(1), "": torch.zeros(1), "rng": random.getstate(), "nprng": np.random.get_state(legacy=True),
    }
    lake.save("m", state)
    loaded = lake.load("m")
    assert np.array_equal(loaded.pop("array"), state.pop("array"))
    assert np.array_equal(loaded.pop("nprng")[1], state.pop("nprng")[1])
    assert type(loaded["o"]) is collections.OrderedDict and list(loaded["o"]) == ["b", "a"]
    assert torch.equal(loaded.pop("a/b"), state.pop("a/b")) and torch.equal(loaded.pop(""), state.pop(""))
    assert loaded == state
    assert type(loaded["np"]) is np.float32


def test_tied_weights_stay_tied_and_are_stored_once(lake):
    weight = torch.randn(1000, 100)
    report = lake.save("m", {"embed": weight, "head": weight})
    assert report.stored_bytes < 1.1 * weight.numel() * 4
    loaded = lake.load("m")
    assert loaded["embed"] is loaded["head"]
    assert torch.equal(loaded["head"], weight)


def test_a_later_change_never_reaches_the_saved_version(lake):
    tensors = [torch.randn(3_000_000) for _ in range(4)]
    wanted = [t.clone() for t in tensors]
    pending = lake.save_async("m", {"t": tensors})
    for tensor in tensors:
        tensor.zero_()
    pending.result(60)
    assert all(torch.equal(a, b) for a, b in zip(lake.load("m")["t"], wanted))


def test_a_state_larger_than_its_memory_streams_through(lake):
    tensor = torch.randn(60_000_000)  # 240 MB through 64 MiB.
    lake.save_async("m", {"t": tensor}, memory_bytes=64 << 20).result(120)
    assert torch.equal(lake.load("m")["t"], tensor)
    with pytest.raises(varve.VarveError, match="64 MiB"):
        lake.save_async("m", {"t": tensor}, memory_bytes=1 << 20)


def test_a_failed_asynchronous_save_raises_at_the_next_call(lake, tmp_path):
    lake.save("m", {"t": torch.zeros(1)})
    os.rename(tmp_path / "lake" / "gc", tmp_path / "lake" / "gone")
    with pytest.raises(varve.VarveError):
        for _ in range(3):
            pending = lake.save_async("m", {"t": torch.ones(1)})
            pending._finished.wait(30)
    os.rename(tmp_path / "lake" / "gone", tmp_path / "lake" / "gc")
    lake.save("m", {"t": torch.ones(1)})
    assert torch.equal(lake.load("m")["t"], torch.ones(1))


class Unknown:
    pass


@pytest.mark.parametrize(
    ("bad", "path"),
    [({"a": {"f": lambda: 1}}, "a/f"), ({"a": [1, Unknown()]}, "a/1"), ({"n": np.array([object()])}, "n"),
     ({"s": torch.eye(3).to_sparse()}, "s"), ({"m": torch.empty(3, device="meta")}, "m")],
)
def test_what_needs_pickle_is_refused_by_its_path(lake, tmp_path, bad, path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(errors.UnsupportedError, match=f"'{path}'"):
        lake.save("m", bad)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tree_that_contains_itself_is_refused(lake):
    loop: dict = {}
    loop["loop"] = loop
    with pytest.raises(errors.UnsupportedError):
        lake.save("m", loop)


@pytest.mark.parametrize("name", ["", "..", "a/../b", "a//b", "/a", "a\n", "a" * 300, "a b", "a@b", "x/" * 9 + "x"])
def test_bad_names_are_refused(lake, name):
    with pytest.raises(errors.InvalidError):
        lake.save(name, {"t": torch.zeros(1)})


def test_only_and_into(lake):
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 2))
    lake.save("m", {"model": model.state_dict(), "optim": {"x": torch.ones(3)}, "n": 1})
    assert set(lake.load("m", only="model/*")) == {"model"}
    fresh = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 2))
    lake.load("m", into=fresh.state_dict(), only="model/*")
    assert all(torch.equal(a, b) for a, b in zip(fresh.state_dict().values(), model.state_dict().values()))
    target = torch.zeros(3, 2)[:, 0]  # Not contiguous.
    lake.load("m", into={"x": target}, only="optim/*")
    assert torch.equal(target, torch.ones(3))
    with pytest.raises(errors.InvalidError, match="'x'"):
        lake.load("m", into={"x": torch.zeros(4)}, only="optim/*")
    with pytest.raises(errors.NotFoundError):
        lake.load("m", only="nothing/*")


def test_resuming_equals_never_having_stopped(lake):
    def run(name, stops):
        losses = []
        for start_again in stops:
            torch.manual_seed(0)
            model = torch.nn.Linear(16, 16)
            optimizer = torch.optim.AdamW(model.parameters())
            checkpoints = Checkpointer(lake, name, model=model, optimizer=optimizer, every=5)
            for step in range(checkpoints.resume() + 1, start_again + 1):
                loss = model(torch.randn(4, 16)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                checkpoints.step(step, {"loss": loss.item()})
            checkpoints.close()
        return losses

    assert run("whole", [20]) == run("stopped", [10, 20])
    with pytest.raises(errors.InvalidError):
        Checkpointer(lake, "x", model=None, keep="lats 3")


def test_a_damaged_byte_is_named_and_never_returned(lake, tmp_path):
    lake.save("m", {"weights": torch.randn(100_000)})
    pack = max((tmp_path / "lake" / "pack").rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    with pytest.raises(errors.CorruptError, match="'weights' is damaged: chunk"):
        lake.load("m")
    assert lake.verify("m")["damage"][0][0] == "weights"


def test_files_round_trip(lake, tmp_path):
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "big.bin").write_bytes(random.Random(1).randbytes(9_000_000))
    (source / "deep" / "run.sh").write_text("echo")
    (source / "deep" / "run.sh").chmod(0o755)
    (source / "empty").touch()
    first = lake.put("files", source)
    lake.get("files", tmp_path / "out")
    assert (tmp_path / "out" / "big.bin").read_bytes() == (source / "big.bin").read_bytes()
    assert os.access(tmp_path / "out" / "deep" / "run.sh", os.X_OK) and (tmp_path / "out" / "empty").exists()
    data = (source / "big.bin").read_bytes()
    (source / "big.bin").write_bytes(data[:4_000_000] + b"inserted" + data[4_000_000:])
    assert lake.put("files", source).stored_bytes < first.stored_bytes / 2
    with pytest.raises(errors.AlreadyExistsError):
        lake.get("files", tmp_path / "out")
    os.symlink("/etc/passwd", source / "link")
    with pytest.raises(errors.UnsupportedError, match="link"):
        lake.put("files", source)


def test_the_error_table_is_the_one_of_the_core():
    for _, name, exit_code, http, _, python_class, advice in _core.error_table():
        assert issubclass(getattr(errors, python_class), errors.VarveError)
        assert name and advice and 0 < exit_code < 256 and 400 <= http < 600


@pytest.mark.parametrize("order", ["import torch, varve", "import varve, torch"])
def test_both_import_orders_and_no_exported_symbols(order):
    code = f"{order}; import tempfile; l = varve.open(tempfile.mkdtemp() + '/l', create=True); l.save('m', {{'t': torch.ones(9)}}); print(l.load('m')['t'].sum())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    assert "tensor(9.)" in result.stdout, result.stderr
    symbols = subprocess.run(["nm", "-D", "--defined-only", _core.__file__], capture_output=True, text=True).stdout.split("\n")
    assert [s.split()[-1] for s in symbols if s] == ["PyInit__core"]


def test_no_pickle_is_imported():
    code = "import sys, varve.tree, varve.lake; sys.exit('pickle' in open(varve.lake.__file__).read() and 'import pickle' in open(varve.lake.__file__).read())"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT / "python")}).returncode == 0


def test_a_forked_child_is_told_to_open_again(lake):
    pid = os.fork()
    if pid == 0:
        try:
            lake.save("m", {})
        except errors.InvalidError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
