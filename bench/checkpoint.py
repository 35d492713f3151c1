"""Save and load of one training state, side by side on one real S3 server (Ceph RGW on loopback).

Varve (with its default cap of memory, and with the least one), torch.save/torch.load through boto3, and torch DCP through
s3fs. Every measurement is a fresh process; clients take turns within a round; the median is printed. Each gets a server of
its own, started anew, which keeps its bytes in memory. State: 14 bytes per parameter as in mixed-precision training (bf16
weights that round their float32 master, two Adam moments).

A measurement: wall and CPU time of the client process around the call, peak memory beyond what it held before
(VmHWM against VmRSS; a load's figure is less the loaded state), the bytes that it wrote to local disk, and the bytes that
the bucket holds afterwards. Requests are counted in a run of their own, through a proxy, since the proxy takes processor
time; those that make a lake, once in its life, are not among them.

    bench/checkpoint.py [--gb 2] [--rounds 3] [--clients varve,varve-64,boto3,dcp]
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
import warnings
from pathlib import Path
from typing import Any

from count_requests import Proxy

ROOT = Path(__file__).resolve().parent.parent
BUCKET, PORT, LAYERS = "varve-test", 7999, 16
CLIENTS = ("varve", "varve-64", "boto3", "dcp")


def make_state(gigabytes: float) -> dict[str, Any]:
    """{"layer0": {"weight": bf16 (n,), "master": float32 (n,), "exp_avg": float32 (n,), "exp_avg_sq": float32 (n,)}}."""
    import torch

    torch.manual_seed(0)
    count = int(gigabytes * 1e9 / 14 / LAYERS)
    state: dict[str, Any] = {}
    for i in range(LAYERS):
        master = torch.randn(count) * 0.02
        state[f"layer{i}"] = {
            "weight": master.bfloat16(), "master": master, "exp_avg": torch.randn(count) * 1e-4,
            "exp_avg_sq": torch.randn(count).square() * 1e-8,
        }
    return state


def empty_state(gigabytes: float) -> dict[str, Any]:
    """What DCP loads into."""
    import torch

    count = int(gigabytes * 1e9 / 14 / LAYERS)
    dtypes = {"weight": torch.bfloat16, "master": torch.float32, "exp_avg": torch.float32, "exp_avg_sq": torch.float32}
    return {f"layer{i}": {name: torch.empty(count, dtype=dtype) for name, dtype in dtypes.items()} for i in range(LAYERS)}


def digest(state: dict[str, Any]) -> float:
    """Sum over all tensors, to see that a load gave what was saved."""
    return sum(float(tensor.double().sum()) for layer in state.values() for tensor in layer.values())


class Varve:
    """"varve", or "varve-64": with a memory_bytes of so many MiB."""

    disk = False

    def __init__(self, prefix: str) -> None:
        import varve

        memory_mib = int(prefix.removeprefix("varve").removeprefix("-") or 1024)
        self.lake = varve.open(f"s3://{BUCKET}/{prefix}", create=True, memory_bytes=memory_mib << 20)

    def save(self, state: dict[str, Any]) -> None:
        self.lake.save("state", state)

    def load(self, gigabytes: float) -> dict[str, Any]:
        return self.lake.load("state")


class Boto3:
    disk = True  # Both ways through a file.

    def __init__(self) -> None:
        import boto3
        from botocore.config import Config

        self.s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))

    def save(self, state: dict[str, Any]) -> None:
        import torch

        with tempfile.NamedTemporaryFile() as file:
            torch.save(state, file.name)
            self.s3.upload_file(file.name, BUCKET, "boto3/state.pt")

    def load(self, gigabytes: float) -> dict[str, Any]:
        import torch

        with tempfile.NamedTemporaryFile() as file:
            self.s3.download_file(BUCKET, "boto3/state.pt", file.name)
            return torch.load(file.name, weights_only=True)


class Dcp:
    disk = False
    url = f"s3://{BUCKET}/dcp/state"

    def __init__(self) -> None:
        import s3fs
        import torch.distributed.checkpoint
        import torch.distributed.checkpoint._fsspec_filesystem  # noqa: F401 - before the clock starts.

        self.s3fs = s3fs

    def save(self, state: dict[str, Any]) -> None:
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint._fsspec_filesystem import FsspecWriter

        dcp.save(state, storage_writer=FsspecWriter(self.url))

    def load(self, gigabytes: float) -> dict[str, Any]:
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader

        state = empty_state(gigabytes)
        dcp.load(state, storage_reader=FsspecReader(self.url))
        return state


def memory_kib(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))


def measure(name: str, action: str, gigabytes: float) -> None:
    warnings.filterwarnings("ignore")  # Of torch, about running without a process group.
    import torch  # noqa: F401 - loaded before the clock starts.

    client = {"boto3": Boto3, "dcp": Dcp}[name]() if name in ("boto3", "dcp") else Varve(name)
    if action == "open":
        print(json.dumps({}))
        return
    state = make_state(gigabytes)
    wanted = digest(state)
    if action == "load":
        del state
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again.
    held_kib = memory_kib("VmRSS")
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    if action == "save":
        client.save(state)
    else:
        state = client.load(gigabytes)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    beyond_kib = memory_kib("VmHWM") - held_kib - (gigabytes * 1e9 / 1024 if action == "load" else 0)
    if action == "load" and digest(state) != wanted:
        sys.exit(f"{name} loaded something else")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({
        "gb_per_s": gigabytes / seconds, "cpu_s_per_gb": cpu / gigabytes, "peak_mib": beyond_kib / 1024,
        "disk_gb": gigabytes if client.disk else 0,
    }))


def stored_bytes(settings: dict[str, str], prefix: str) -> int:
    """Bytes of all objects below a prefix of the bucket."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=settings["AWS_ENDPOINT_URL"], aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"], region_name=settings["AWS_REGION"],
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix + "/")
    return sum(row["Size"] for page in pages for row in page.get("Contents", []))


def run_child(name: str, action: str, gigabytes: float, settings: dict[str, str]) -> dict[str, float]:
    python = ROOT / "build" / "bench-env" / "bin" / "python" if name == "dcp" else sys.executable
    command = [str(python), __file__, "--gb", str(gigabytes), "--child", name, action]
    env = {**os.environ, **settings, "PYTHONPATH": str(ROOT / "python"), "AWS_DEFAULT_REGION": settings["AWS_REGION"]}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


class Server:
    """Ceph RGW, started anew: its store is in memory, so that two of them at once would be too many."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __enter__(self) -> dict[str, str]:
        self.folder = tempfile.mkdtemp()
        subprocess.run([ROOT / "tools" / "rgw.sh", "start", self.folder, str(self.port)], check=True, stdout=subprocess.DEVNULL)
        lines = Path(self.folder, "env").read_text().splitlines()
        return dict(line.removeprefix("export ").split("=", 1) for line in lines)

    def __exit__(self, *_: object) -> None:
        subprocess.run([ROOT / "tools" / "rgw.sh", "stop", self.folder], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default=",".join(CLIENTS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        measure(args.child[0], args.child[1], args.gb)
        return
    clients = args.clients.split(",")
    if "dcp" in clients:
        subprocess.run([ROOT / "tools" / "bench_env.sh"], check=True)
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    requests: dict[tuple[str, str], int] = {}
    stored: dict[str, int] = {}
    port = PORT
    # Requests and bytes in the first round, which is not timed.
    for number in range(args.rounds + 1):
        for turn in range(len(clients)):
            name = clients[(turn + number) % len(clients)]
            port += 1  # The last server's may not be free yet.
            with Server(port) as settings:
                run_child(name, "open", args.gb, settings)
                for action in ("save", "load"):
                    if number:
                        rows.setdefault((action, name), []).append(run_child(name, action, args.gb, settings))
                        print(number, action, name, json.dumps(rows[action, name][-1]), file=sys.stderr, flush=True)
                        continue
                    with Proxy(port) as proxy:
                        run_child(name, action, args.gb, {**settings, "AWS_ENDPOINT_URL": proxy.address})
                    requests[action, name] = sum(proxy.requests.values())
                    stored[name] = stored_bytes(settings, name)
        print(f"round {number} of {args.rounds} done", file=sys.stderr)
    print(f"{args.gb} GB, median of {args.rounds}; requests and bytes of one run\n")
    print("| | GB/s | CPU s/GB | peak MiB beyond the state | GB through local disk | requests | GB stored |")
    print("| --- " * 7 + "|")
    for action in ("save", "load"):
        for name in clients:
            middle = {key: statistics.median(r[key] for r in rows[action, name]) for key in rows[action, name][0]}
            kept = f"{stored[name] / 1e9:.2f}" if action == "save" else ""
            print(
                f"| {action}, {name} | {middle['gb_per_s']:.2f} | {middle['cpu_s_per_gb']:.2f} | "
                f"{middle['peak_mib']:.0f} | {middle['disk_gb']:.0f} | {requests[action, name]} | {kept} |"
            )


if __name__ == "__main__":
    main()
