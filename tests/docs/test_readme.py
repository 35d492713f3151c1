"""Goal: what the README shows, runs. Method: its Python block as it stands, on a folder instead of the bucket, and every
command of its last block on a lake that holds what the block names."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import torch
from safetensors.torch import save_file

import varve

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARVE = os.environ.get("VARVE_BIN", str(ROOT / "build/release/bin/varve"))
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)
SET_UP = """
import torch
model = torch.nn.Linear(20, 10)
opt = optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(20)).sum().backward()
opt.step()
"""


def test_the_python_block_runs(tmp_path):
    (code,) = [text for kind, text in BLOCKS if kind == "python"]
    (tmp_path / "out/tokenizer").mkdir(parents=True)
    (tmp_path / "out/tokenizer/vocab.txt").write_text("a b c")
    code = SET_UP + code.replace("s3://bucket/team", str(tmp_path / "lake")) + "\nckpt.step(500)\nckpt.close()\nassert start == 0\n"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here/vocab.txt").read_text() == "a b c"
    assert "Warning" not in done.stderr


def test_every_command_runs(tmp_path):
    (text,) = [text for kind, text in BLOCKS if kind == "" and "varve init" in text]
    commands = [command.strip() for line in text.splitlines() for command in re.split(r"\s{2,}(?=varve)", line) if command.strip()]
    assert len(commands) >= 12
    lake = tmp_path / "lake"
    env = {**os.environ, "VARVE_LAKE": str(lake)}
    save_file({"model/w": torch.ones(3)}, tmp_path / "FILE.safetensors")
    (tmp_path / "data.txt").write_text("x")
    varve.init(tmp_path / "other")
    for command in commands:
        words = shlex.split(command.replace("s3://bucket/team", str(lake)).replace("--to LAKE", f"--to {tmp_path / 'other'}"))
        if words[1] == "get":
            words[3] = "fetched"
        if words[1] == "put":
            words[3] = "data.txt"
        assert words[0] == "varve"
        done = subprocess.run([VARVE, *words[1:]], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
        needs_ack = 3 if words[1:3] == ["retain", "plan"] else 0  # Of four versions one is more than a fifth.
        assert done.returncode in (0, needs_ack), (command, done.stdout, done.stderr)
        if words[1] == "init":
            with varve.open(lake) as opened:
                for step in range(17):
                    opened.save("llama", {"model": {"w": torch.full((4,), float(step))}}, step=step)
                    opened.put("NAME", tmp_path / "data.txt") if step < 3 else None
    assert (tmp_path / "fetched/data.txt").exists() and (tmp_path / "OUT.safetensors").exists()
