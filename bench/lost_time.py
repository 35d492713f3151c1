"""What a save costs the training loop: Varve beside torch DCP, into a folder of one disk.

One training loop (a perceptron with AdamW on the CPU: 12 bytes of state per parameter) runs with no saves, and with a save
of the whole state after every so many steps: Varve `save_async` through a Checkpointer, Varve `save`, DCP `async_save`, DCP
`save`. Each run is a fresh process; kinds take turns within a round. Two settings: the loop computes on one of two cores,
as where an accelerator computes and the processor has room, and on all of them, where every cycle behind is taken from it.

Per kind, medians over the rounds: how long the call kept the loop (first save of the process, and the others), wall time
lost per save against the run without saves of the same round: compute that a save slows down counts, and so does a save
that must wait for the one before it; the wait for the last one at the end does not. A layer of the last save is loaded and
compared before a run counts.

    bench/lost_time.py [--megabytes 256] [--saves 6] [--rounds 7] [--threads 1,2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("none", "varve async", "varve sync", "dcp async", "dcp sync")
WIDTH, BATCH = 2048, 32
# The loop's own temporaries stay with the allocator, as they do on an accelerator: otherwise the heap's trimming makes a step
# take 110 to 220 ms by chance, which has nothing to do with a save.
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}
STEP_SECONDS_PER_SAVE = 2.5  # Enough for each kind to be durable before the next, at 256 MB.


class Saver:
    """One kind of save. `save` returns when the loop may go on; `finish` when everything is durable."""

    def __init__(self, kind: str, folder: str, model: Any, optimizer: Any) -> None:
        self.kind, self.folder, self.model, self.optimizer = kind, folder, model, optimizer
        self.count, self.pending = 0, None
        if kind.startswith("varve"):
            from varve.torch import Checkpointer

            import varve

            self.lake = varve.open(folder + "/lake", create=True)
            self.checkpoints = Checkpointer(self.lake, "run", model=model, optimizer=optimizer, every=1)
        elif kind.startswith("dcp"):
            import torch.distributed.checkpoint as dcp

            self.dcp = dcp

    def state(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optim": self.optimizer.state_dict()}

    def save(self) -> None:
        self.count += 1
        if self.kind == "varve async":
            self.checkpoints.step(self.count)
        elif self.kind == "varve sync":
            self.lake.save("run", self.state(), step=self.count)
        elif self.kind == "dcp async":
            if self.pending is not None:
                self.pending.result()
            self.pending = self.dcp.async_save(self.state(), checkpoint_id=f"{self.folder}/dcp/{self.count}")
        elif self.kind == "dcp sync":
            self.dcp.save(self.state(), checkpoint_id=f"{self.folder}/dcp/{self.count}")

    def finish(self) -> None:
        if self.kind == "varve async":
            self.checkpoints.close()
        elif self.pending is not None:
            self.pending.result()

    def weights(self) -> Any:
        """The first layer's weights of the last save."""
        import torch

        if self.kind.startswith("varve"):
            return self.lake.load("run", only="model/0.weight")["model"]["0.weight"]
        held = {"model": {"0.weight": torch.empty_like(self.model.state_dict()["0.weight"])}}
        self.dcp.load(held, checkpoint_id=f"{self.folder}/dcp/{self.count}")
        return held["model"]["0.weight"]


def train(kind: str, megabytes: float, saves: int, steps_per_save: int, threads: int) -> dict[str, float]:
    warnings.filterwarnings("ignore")  # Of torch, about running without a process group.
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    layers = max(1, round(megabytes * 1e6 / 12 / WIDTH**2))
    model = nn.Sequential(*[nn.Linear(WIDTH, WIDTH) for _ in range(layers)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    batch = torch.randn(BATCH, WIDTH)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model(batch).square().mean().backward()
        optimizer.step()

    step()  # The optimizer's state exists from here on.
    if not steps_per_save:
        steps, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < STEP_SECONDS_PER_SAVE:
            step()
            steps += 1
        return {"steps": steps}
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        saver = Saver(kind, folder, model, optimizer)
        saved = torch.empty(0)
        kept_ms = []
        begun = time.perf_counter()
        for number in range(saves):
            for _ in range(steps_per_save):
                step()
            if number == saves - 1:
                saved = model[0].weight.detach().clone()
            called = time.perf_counter()
            saver.save()
            kept_ms.append((time.perf_counter() - called) * 1e3)
        for _ in range(steps_per_save):
            step()
        seconds = time.perf_counter() - begun
        saver.finish()
        if kind != "none" and not torch.equal(saver.weights(), saved):
            sys.exit(f"{kind} loaded something else")
    return {"seconds": seconds, "first_ms": kept_ms[0], "others_ms": statistics.median(kept_ms[1:])}


def run_child(kind: str, args: argparse.Namespace, steps_per_save: int, threads: int) -> dict[str, float]:
    command = [
        sys.executable, __file__, "--megabytes", str(args.megabytes), "--saves", str(args.saves), "--child", kind,
        str(steps_per_save), str(threads),
    ]
    env = {**os.environ, **ALLOCATOR, "PYTHONPATH": str(ROOT / "python"), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=256)
    parser.add_argument("--saves", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        kind, steps_per_save, threads = args.child
        print(json.dumps(train(kind, args.megabytes, args.saves, int(steps_per_save), int(threads))))
        return
    print(f"{args.megabytes:.0f} MB of state, {args.saves} saves a run, median (least to most) of {args.rounds} rounds")
    for threads in map(int, args.threads.split(",")):
        steps_per_save = int(run_child("none", args, 0, threads)["steps"])
        rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for number in range(args.rounds + 1):
            for turn in range(len(KINDS)):
                kind = KINDS[(turn + number) % len(KINDS)]
                row = run_child(kind, args, steps_per_save, threads)
                if number:  # The first round warms up.
                    rows[kind].append(row)
        print(f"\nThe loop computes on {threads} of {os.cpu_count()} cores, {steps_per_save} steps between saves:\n")
        print("| | call of the first save, ms | call of the others, ms | time lost per save, ms |\n| --- | --- | --- | --- |")
        for kind in KINDS[1:]:
            lost = [
                (row["seconds"] - none["seconds"]) / args.saves * 1e3
                for row, none in zip(rows[kind], rows["none"], strict=True)
            ]
            figures = [[row["first_ms"] for row in rows[kind]], [row["others_ms"] for row in rows[kind]], lost]
            cells = [f"{statistics.median(each):.0f} ({min(each):.0f} to {max(each):.0f})" for each in figures]
            print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
