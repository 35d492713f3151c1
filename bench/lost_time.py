"""What a save costs the training loop: Varve beside torch DCP, into a folder of one disk.

One training loop (a perceptron with AdamW on the CPU: 12 bytes of state per parameter) saves its whole state again and again:
Varve `save_async` through a Checkpointer, Varve `save`, DCP `async_save`, DCP `save`, and nothing at all, which shows the noise.
Each run is a fresh process; kinds take turns within a round. Two settings: the loop computes on one of two cores, as where
an accelerator computes and the processor has room, and on all of them, where every cycle behind is taken from it.

After a save the loop goes on until the version is durable and some steps more. These quiet steps, right after it, are what a
step costs on this machine in these seconds. Lost per save: the time that the call kept the loop, and what the steps until
the version was durable took above the median of the quiet ones: compute that a save slows down counts, a machine that is
slower a minute later does not. Printed: medians over the saves of all rounds but the first of each process, which has a
column of its own. A layer of the last save is loaded and compared before a run counts.

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
QUIET_STEPS = 8  # After each save is durable.
STEPS_MAX = 400  # Per save: one that is not durable by then is an error.


class Saver:
    """One kind of save. `save` returns when the loop may go on; `finish` when everything is durable."""

    def __init__(self, kind: str, folder: str, model: Any, optimizer: Any) -> None:
        self.kind, self.folder, self.model, self.optimizer = kind, folder, model, optimizer
        self.count = 0
        self.pending: Any = None
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
            self.pending = self.checkpoints.step(self.count)
        elif self.kind == "varve sync":
            self.lake.save("run", self.state(), step=self.count)
        elif self.kind == "dcp async":
            if self.pending is not None:
                self.pending.result()
            self.pending = self.dcp.async_save(self.state(), checkpoint_id=f"{self.folder}/dcp/{self.count}")
        elif self.kind == "dcp sync":
            self.dcp.save(self.state(), checkpoint_id=f"{self.folder}/dcp/{self.count}")

    def durable(self) -> bool:
        return self.pending is None or bool(self.pending.done())

    def finish(self) -> None:
        if self.pending is not None:
            self.pending.result()
        if self.kind == "varve async":
            self.checkpoints.close()

    def weights(self) -> Any:
        """The first layer's weights of the last save."""
        import torch

        if self.kind.startswith("varve"):
            return self.lake.load("run", only="model/0.weight")["model"]["0.weight"]
        held = {"model": {"0.weight": torch.empty_like(self.model.state_dict()["0.weight"])}}
        self.dcp.load(held, checkpoint_id=f"{self.folder}/dcp/{self.count}")
        return held["model"]["0.weight"]


def train(kind: str, megabytes: float, saves: int, threads: int) -> list[dict[str, float]]:
    """Per save, milliseconds: `call`, `slower` (of the steps beside it), `durable` (since the call), `step` (a quiet one)."""
    warnings.filterwarnings("ignore")  # Of torch, about running without a process group.
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    layers = max(1, round(megabytes * 1e6 / 12 / WIDTH**2))
    model = nn.Sequential(*[nn.Linear(WIDTH, WIDTH) for _ in range(layers)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    batch = torch.randn(BATCH, WIDTH)

    def step() -> float:
        begun = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model(batch).square().mean().backward()
        optimizer.step()
        return time.perf_counter() - begun

    for _ in range(QUIET_STEPS):
        step()  # The optimizer's state exists from here on.
    rows = []
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        saver = Saver(kind, folder, model, optimizer)
        saved = torch.empty(0)
        for number in range(saves):
            if number == saves - 1:
                saved = model[0].weight.detach().clone()
            begun = time.perf_counter()
            saver.save()
            call = time.perf_counter() - begun
            beside = [step()]  # Its caches are cold after any save.
            while not saver.durable() and len(beside) < STEPS_MAX:
                beside.append(step())
            durable = time.perf_counter() - begun
            if not saver.durable():
                sys.exit(f"{kind}: not durable after {STEPS_MAX} steps")
            quiet = statistics.median(step() for _ in range(QUIET_STEPS))
            slower = sum(beside) - len(beside) * quiet
            rows.append({name: value * 1e3 for name, value in
                         (("call", call), ("slower", slower), ("durable", durable), ("step", quiet))})
        saver.finish()
        if kind != "none" and not torch.equal(saver.weights(), saved):
            sys.exit(f"{kind} loaded something else")
    return rows


def run_child(kind: str, args: argparse.Namespace, threads: int) -> list[dict[str, float]]:
    command = [
        sys.executable, __file__, "--megabytes", str(args.megabytes), "--saves", str(args.saves), "--child", kind, str(threads),
    ]
    env = {**os.environ, **ALLOCATOR, "PYTHONPATH": str(ROOT / "python"), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    rows: list[dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def cell(values: list[float]) -> str:
    """Median, and the middle half."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=256)
    parser.add_argument("--saves", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(train(args.child[0], args.megabytes, args.saves, int(args.child[1]))))
        return
    print(f"{args.megabytes:.0f} MB of state, {args.saves} saves a run, {args.rounds} rounds, median (middle half), ms")
    for threads in map(int, args.threads.split(",")):
        first: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        others: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for number in range(args.rounds):
            for turn in range(len(KINDS)):
                kind = KINDS[(turn + number) % len(KINDS)]
                rows = run_child(kind, args, threads)
                first[kind].append(rows[0])
                others[kind] += rows[1:]
        print(f"\nThe loop computes on {threads} of {os.cpu_count()} cores:\n")
        print("| | first call | other calls | steps beside it, slower by | lost per save | durable after | a step |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for kind in KINDS:
            rows = others[kind]
            columns = [[row["call"] for row in first[kind]], [row["call"] for row in rows], [row["slower"] for row in rows],
                       [row["call"] + row["slower"] for row in rows], [row["durable"] for row in rows],
                       [row["step"] for row in rows]]
            print(f"| {kind} | {' | '.join(cell(each) for each in columns)} |")


if __name__ == "__main__":
    main()
