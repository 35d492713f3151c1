"""Save and load of one training state, side by side on one real S3 server (Ceph RGW on loopback).

Varve against torch.save/torch.load through boto3. Every measurement is a fresh process; clients alternate; the median
is printed. Usage: bench/checkpoint.py [--gb 2] [--rounds 3]. State: 14 bytes per parameter as in mixed-precision
training (bf16 weights, float32 master, two Adam moments).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def make_state(gigabytes: float) -> dict[str, object]:
    import torch

    torch.manual_seed(0)
    layers, count = 16, int(gigabytes * 1e9 / 14 / 16)
    state: dict[str, object] = {}
    for i in range(layers):
        master = torch.randn(count) * 0.02
        state[f"layer{i}"] = {
            "weight": master.bfloat16(), "master": master, "exp_avg": torch.randn(count) * 1e-4, "exp_avg_sq": torch.randn(count).square() * 1e-8,
        }
    return state


def measure(client: str, action: str, gigabytes: float) -> None:
    state = make_state(gigabytes) if action == "save" else None
    url, bucket = os.environ["VARVE_TEST_S3"] + "/bench", "varve-test"
    import torch  # noqa: F401 - loaded before the clock starts.

    if client == "varve":
        import varve

        lake = varve.open(url, create=True)
    else:
        import boto3
        from botocore.config import Config

        s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    if client == "varve" and action == "save":
        lake.save("state", state)
    elif client == "varve":
        lake.load("state")
    elif action == "save":
        with tempfile.NamedTemporaryFile() as file:
            torch.save(state, file.name)
            s3.upload_file(file.name, bucket, "state.pt")
    else:
        with tempfile.NamedTemporaryFile() as file:
            s3.download_file(bucket, "state.pt", file.name)
            torch.load(file.name, weights_only=True)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = (after.ru_maxrss - before.ru_maxrss) / 1024
    print(json.dumps({"gb_per_s": gigabytes / seconds, "cpu_s_per_gb": cpu / gigabytes, "peak_mib": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        measure(args.child[0], args.child[1], args.gb)
        return
    folder = tempfile.mkdtemp()
    subprocess.run([ROOT / "tools" / "rgw.sh", "start", folder, "7999"], check=True)
    try:
        settings = dict(line.removeprefix("export ").split("=", 1) for line in Path(folder, "env").read_text().splitlines())
        rows: dict[tuple[str, str], list[dict[str, float]]] = {}
        for round_number in range(args.rounds):
            settings["VARVE_TEST_S3"] = f"s3://varve-test/round{round_number}"
            for action in ("save", "load"):
                for client in ("varve", "boto3"):
                    command = [sys.executable, __file__, "--gb", str(args.gb), "--child", client, action]
                    env = {**os.environ, **settings, "PYTHONPATH": str(ROOT / "python"), "AWS_DEFAULT_REGION": "us-east-1"}
                    done = subprocess.run(command, env=env, capture_output=True, text=True)
                    if done.returncode:
                        sys.exit(done.stderr)
                    rows.setdefault((action, client), []).append(json.loads(done.stdout))
        print(f"{args.gb} GB, median of {args.rounds}\naction client    GB/s  CPU s/GB  peak beyond state MiB")
        for (action, client), results in rows.items():
            middle = {key: statistics.median(r[key] for r in results) for key in results[0]}
            print(f"{action:6} {client:6} {middle['gb_per_s']:7.2f} {middle['cpu_s_per_gb']:9.2f} {middle['peak_mib']:9.0f}")
    finally:
        subprocess.run([ROOT / "tools" / "rgw.sh", "stop", folder], check=True)


if __name__ == "__main__":
    main()
