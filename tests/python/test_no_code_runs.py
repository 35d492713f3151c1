"""Goal (P14): nothing that a lake holds is run, whatever it pretends to be.

Method: pickles that would touch a file, as files, as values, as nodes of a tree, as metadata and names; every way to read
them, in a process whose audit hook reports each unpickling, compilation, and child process, and whose unpicklers raise;
the command under strace.
"""

import ast
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from varve.options import save_options

import varve
from varve import errors

ROOT = Path(__file__).parent.parent.parent
COMMAND = ROOT / "build" / "release" / "bin" / "varve"


class Payload:
    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def pickles(mark):
    """By protocol, and a torch file; each would leave the mark."""
    made = {f"p{protocol}.pkl": pickle.dumps(Payload(mark), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)}
    text = f"cos\nsystem\n(S'touch {mark}'\ntR.".encode()
    return made | {"pytorch_model.bin": made["p2.pkl"], ".metadata": made["p4.pkl"], "model.safetensors": text, "weights.pt": text}


def nodes(blob):
    """Nodes of a tree that some reader might take for code; `blob` is a pickle in base64."""
    return [
        {"pickle": blob}, {"py/reduce": [{"py/type": "os.system"}, {"py/tuple": ["touch x"]}]}, {"__reduce__": ["os.system", ["touch x"]]},
        {"np": ["object", {"b": blob}]}, {"np": ["O", {"b": blob}]}, {"dtype": "object"}, {"dtype": "__import__('os').system('touch x')"},
        {"device": "__import__('os')"}, {"i": "__import__('os').system('touch x')"}, {"f": "__import__('os')"}, {"size": ["os.system"]},
        {"c": ["os", "system"]}, {"T": "../../w"}, {"T": "os.system"}, {"A": blob}, {"d": [[{"T": "w"}, None]]}, {"b": "not base64"},
    ]


def hostile_options(node):
    tree = {"d": [[{"s": "w"}, {"T": "w"}], [{"s": "x"}, node]]}
    return save_options(type="checkpoint", step=None, metrics=None, metadata=None, message="", aliases=(), parents=(), tree_json=json.dumps(tree))


READER = """
import json, sys
import numpy, pickle, _pickle, torch, varve, varve.torch

def refuse(*_, **__):
    raise SystemExit("an unpickler was reached")

for module, names in ((pickle, ("load", "loads", "Unpickler", "_Unpickler")), (_pickle, ("load", "loads", "Unpickler")), (torch, ("load",)), (numpy, ("load",))):
    for name in names:
        setattr(module, name, refuse)
FORBIDDEN = {"pickle.find_class", "os.system", "subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "ctypes.dlopen", "compile", "code.__new__"}
seen = []
lake = varve.open(sys.argv[1])
names = json.loads(sys.argv[2])
# What is imported on first use is compiled then; after one harmless load nothing more is.
lake.load("harmless"); lake.show("harmless"); lake.verify("harmless")
try:
    varve.torch.Checkpointer(lake, "harmless", model=torch.nn.Linear(1, 1)).resume()
except varve.VarveError:
    pass
sys.addaudithook(lambda event, arguments: seen.append((event, repr(arguments)[:200])) if event in FORBIDDEN else None)
outcomes = {}
for name in names:
    for way, call in {
        "load": lambda: lake.load(name),
        "only": lambda: lake.load(name, only="*"),
        "into": lambda: lake.load(name, into={"w": torch.zeros(3)}),
        "get": lambda: lake.get(name, f"{sys.argv[3]}/{name}"),
        "show": lambda: lake.show(name),
        "verify": lambda: lake.verify(name),
        "diff": lambda: lake.diff(name, "harmless"),
        "history": lambda: lake.history(name),
        "resume": lambda: varve.torch.Checkpointer(lake, name, model=torch.nn.Linear(1, 1)).resume(),
    }.items():
        try:
            call()
            outcomes[f"{name} {way}"] = "ok"
        except varve.VarveError as error:
            outcomes[f"{name} {way}"] = error.kind
print(json.dumps({"seen": seen, "outcomes": outcomes}))
"""


@pytest.fixture
def hostile(tmp_path):
    """A lake of pickles, and what each of its names is."""
    mark = tmp_path / "MARK"
    files = pickles(mark)
    folder = tmp_path / "from"
    folder.mkdir()
    names = {"harmless": "state"}
    with varve.open(tmp_path / "lake", create=True) as lake:
        lake.save("harmless", {"w": torch.ones(3), "values": [1, 2.0, "x", b"y", (None, True)], "array": np.ones(2)})
        for name, data in files.items():
            (folder / name).write_bytes(data)
            lake.put(f"file-{name.strip('.')}", folder / name, metadata={"m": data.decode("latin-1")}, message="cos\nsystem\n(S'x'\ntR.")
            names[f"file-{name.strip('.')}"] = "files"
        lake.put("folder", folder)
        names["folder"] = "files"
        texts = [data.decode("latin-1") for data in files.values()]
        lake.save("values", {"w": torch.ones(3), "bytes": list(files.values()), "texts": texts, "keys": dict.fromkeys([*texts, *files.values()], 1)})
        names["values"] = "state"
        for number, node in enumerate(nodes(files["p2.pkl"].hex())):
            session = lake._core.begin_save(f"tree-{number}", hostile_options(node))
            weights = torch.ones(3)
            session.add_tensors([("w", "f32", [3], weights.data_ptr(), weights.nbytes, True, None)])
            session.commit()
            names[f"tree-{number}"] = "tree"
    return names, mark, files


def test_nothing_in_a_lake_is_run(hostile, tmp_path):
    names, mark, files = hostile
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", READER, tmp_path / "lake", json.dumps(list(names)), tmp_path / "out"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "python")}, cwd=tmp_path, timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["seen"] == []
    assert not mark.exists() and not (tmp_path / "x").exists()
    for name, kind in names.items():
        got = {way: report["outcomes"][f"{name} {way}"] for way in ("load", "get", "resume", "show", "verify")}
        assert got["resume"] != "ok", name
        assert got["verify"] == "ok", name
        assert (got["load"] == "ok") == (kind == "state"), (name, got)
        assert got["load"] in ("ok", "invalid_argument", "corrupt", "unsupported"), (name, got)
        if kind == "files":
            assert got["load"] == "invalid_argument", "files are fetched, and never loaded"
    for name, data in files.items():  # Bytes in, bytes out.
        assert (tmp_path / "out" / "folder" / name).read_bytes() == data
    with varve.open(tmp_path / "lake") as lake:
        assert lake.load("values")["bytes"] == list(files.values())


def test_the_unpicklers_of_this_test_would_be_seen(tmp_path):
    code = READER.replace('"harmless"', '"m"').replace("seen = []", "seen = []\nimport io, importlib").replace(
        "outcomes = {}", "outcomes = {}\nimport os\nos.system('true')\ncompile('1', 'x', 'eval')"
    )
    with varve.open(tmp_path / "lake", create=True) as lake:
        lake.save("m", {"w": torch.ones(3)})
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "lake", "[]", tmp_path], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")}, timeout=120,
    )
    assert {event for event, _ in json.loads(done.stdout)["seen"]} == {"os.system", "compile"}, done.stderr


def test_the_command_starts_nothing(hostile, tmp_path):
    names, mark, files = hostile
    trace = tmp_path / "trace"
    for number, name in enumerate(names):
        for verb in (["load", name, tmp_path / f"out-{number}.safetensors"], ["get", name, tmp_path / f"get-{number}"], ["show", name], ["verify", name]):
            subprocess.run(
                ["strace", "-f", "-qq", "-o", trace, "-e", "trace=execve,execveat,fork,vfork", COMMAND, *verb, "--lake", tmp_path / "lake"],
                capture_output=True, cwd=tmp_path, timeout=60,
            )
            assert trace.read_text().count("(") == 1, (verb, trace.read_text())
    assert not mark.exists()
    # A pickle that is called a safetensors file is none.
    refused = subprocess.run([COMMAND, "save", "x", tmp_path / "from" / "model.safetensors", "--lake", tmp_path / "lake"], capture_output=True, text=True)
    assert refused.returncode != 0 and "safetensors" in refused.stderr
    assert not mark.exists()


def test_what_only_pickle_could_store_is_refused_at_the_save(lake, tmp_path):
    mark = tmp_path / "MARK"
    for state in ({"x": Payload(mark)}, {"x": np.array([Payload(mark)], dtype=object)}, {"x": {Payload(mark): 1}}, {"x": print}, {"x": torch.nn.Linear(1, 1)}):
        for save in (lake.save, lake.save_async):
            with pytest.raises(errors.UnstorableError):
                save("m", state)
    assert not mark.exists() and lake.ls() == []


def test_the_package_has_no_unpickler():
    banned = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "code", "codeop"}
    for path in (ROOT / "python" / "varve").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not banned & {alias.name.split(".")[0] for alias in node.names}, path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in banned, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("torch", "np", "numpy"):
                assert node.attr not in ("load", "loads"), path
            # An argument that would allow it does not exist, so no caller can ask for it by accident.
            if isinstance(node, ast.arg):
                assert "pickle" not in node.arg, path
