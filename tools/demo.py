"""Trains a small transformer on the Python library's sources, kills it in the middle of a save, resumes it, and
compares the end with an uninterrupted run. `make demo` runs it; `--lake s3://bucket/prefix` uses an S3 server.

Writes summary.json into build/demo, or into --out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from varve.errors import NotFoundError
from varve.torch import Checkpointer

import varve

OUT = Path(__file__).resolve().parent.parent / "build" / "demo"
CONTEXT, BATCH, WIDTH, LAYERS, HEADS = 128, 8, 256, 4, 4
TEXT_BYTES_MAX = 4_000_000


def read_text() -> torch.Tensor:
    """Bytes of the standard library's sources, uint8 (n,)."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))[:TEXT_BYTES_MAX]
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


class Model(nn.Module):
    """A byte-level decoder: tokens int64 (batch, time) to logits float32 (batch, time, 256)."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(256, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, 256)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        hidden = self.token(tokens) + self.position(torch.arange(length))
        return self.head(self.blocks(hidden, mask=mask, is_causal=True))


def train(location: str, name: str, steps: int, every: int) -> None:
    """Trains up to `steps`, resuming what `name` holds; prints one JSON line per event."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 2)
    text = read_text()
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 20) * (0.55 + 0.45 * math.cos(math.pi * step / steps))
    )

    def say(**event: object) -> None:
        print(json.dumps(event), flush=True)

    with varve.open(location, create=True) as lake:
        checkpoints = Checkpointer(lake, name, model=model, optimizer=optimizer, scheduler=schedule, every=every)
        start = checkpoints.resume()
        say(event="start", step=start)
        loss = torch.zeros(())
        for step in range(start + 1, steps + 1):
            at = torch.randint(len(text) - CONTEXT - 1, (BATCH,))
            batch = torch.stack([text[i : i + CONTEXT + 1] for i in at]).long()
            logits = model(batch[:, :-1])
            loss = nn.functional.cross_entropy(logits.reshape(-1, 256), batch[:, 1:].reshape(-1))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % every == 0:
                say(event="saving", step=step, loss=loss.item())
            checkpoints.step(step, {"loss": loss.item()})
        checkpoints.close()
        say(event="end", loss=loss.item(), lost_ms=checkpoints.lost_ms)


def child(location: str, name: str, steps: int, every: int, kill_at: int | None = None) -> dict[str, object]:
    """Runs `train` in a process; with kill_at, sends SIGKILL while that step's save is under way."""
    command = [sys.executable, __file__, "--child", location, name, str(steps), str(every)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    last: dict[str, object] = {}
    assert process.stdout is not None
    for line in process.stdout:
        last = json.loads(line)
        if last["event"] == "saving":
            print(f"  {name}: step {last['step']:>4}  loss {last['loss']:.4f}", flush=True)
        if last["event"] == "start" and last["step"]:
            print(f"  {name}: resumed from step {last['step']}", flush=True)
        if kill_at is not None and last.get("step") == kill_at and last["event"] == "saving":
            time.sleep(0.03)
            process.send_signal(signal.SIGKILL)
    code = process.wait()
    killed = code == -signal.SIGKILL
    if code != 0 and not killed:
        sys.exit(f"training ended with status {code}")
    return {**last, "killed": killed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", help="s3://bucket/prefix or a folder; default build/demo/lake, made anew")
    parser.add_argument("--out", type=Path, default=OUT, help="where summary.json goes; default build/demo")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--every", type=int, default=30)
    parser.add_argument("--child", nargs=4, metavar=("LAKE", "NAME", "STEPS", "EVERY"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        train(args.child[0], args.child[1], int(args.child[2]), int(args.child[3]))
        return
    begun = time.monotonic()
    args.out.mkdir(parents=True, exist_ok=True)
    location = args.lake or str(args.out / "lake")
    if args.lake is None:
        shutil.rmtree(args.out / "lake", ignore_errors=True)
    run = "" if args.lake is None else f"-{int(time.time())}"
    broken = f"interrupted{run}"
    kill_at = args.steps // 2 // args.every * args.every
    print(f"lake {location}\n1. an uninterrupted run of {args.steps} steps, a version every {args.every}")
    whole = child(location, f"uninterrupted{run}", args.steps, args.every)
    print(f"2. the same run, killed with SIGKILL while step {kill_at} is being saved")
    cut = child(location, broken, args.steps, args.every, kill_at)
    with varve.open(location) as lake:
        try:
            before = [v.step for v in lake.history(broken)]
        except NotFoundError:  # Killed before its first version was committed.
            before = []
    print(f"   killed: {cut['killed']}; the newest committed version is step {before[0] if before else None}")
    print("3. started again: it resumes from the last committed version")
    again = child(location, broken, args.steps, args.every)
    with varve.open(location) as lake:
        versions = lake.history(broken)
        damage = lake.verify(broken)["damage"]
    logical = sum(v.logical_bytes for v in versions)
    stored = sum(v.stored_bytes for v in versions)
    lost = [float(ms) for ms in again["lost_ms"]] + [float(ms) for ms in whole["lost_ms"]]  # type: ignore[attr-defined]
    print(f"\n{'version':>8} {'step':>6} {'loss':>8} {'logical':>10} {'stored':>10}")
    for v in reversed(versions):
        print(f"{'v' + str(v.version):>8} {v.step!s:>6} {v.metrics['loss']:8.4f} {v.logical_bytes / 1e6:8.1f}MB {v.stored_bytes / 1e6:8.1f}MB")
    summary = {
        "loss_uninterrupted": whole["loss"], "loss_resumed": again["loss"], "killed": cut["killed"],
        "killed_at_step": kill_at, "resumed_from_step": before[0] if before else 0, "versions": len(versions),
        "bytes_logical": logical, "bytes_stored": stored, "bytes_shared": max(0, logical - stored),
        "lost_ms_per_save": sorted(lost)[len(lost) // 2], "lost_ms_max": max(lost), "damage": len(damage),
        "seconds": round(time.monotonic() - begun, 1),
    }
    (args.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(
        f"\nloss uninterrupted {whole['loss']:.6f}, resumed {again['loss']:.6f}\n"
        f"{logical / 1e6:.1f} MB logical, {stored / 1e6:.1f} MB stored ({100 * stored / logical:.0f} %)\n"
        f"each save cost the training loop {summary['lost_ms_per_save']:.1f} ms (median), {max(lost):.1f} ms at most\n"
        f"{summary['seconds']} s; summary in {args.out / 'summary.json'}"
    )
    if whole["loss"] != again["loss"] or not cut["killed"] or damage:
        sys.exit("the resumed run did not end as the uninterrupted one")


if __name__ == "__main__":
    main()
