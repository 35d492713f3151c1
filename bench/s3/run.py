"""Plain files up and down, Varve's transfer layer beside the clients that people use, on one server.

Usage: bench/s3/run.py [--server fast|rgw|versitygw] [--mib 4096] [--rounds 3] [--delay-ms 0] [--cases one,many,small]
                       [--folder /dev/shm]

Each measurement is a fresh process; clients alternate within a round, medians are printed, each also as a ratio to the
best of the others. Cases: one file of --mib, files of 64 MiB of together --mib, and --small files of 16 KiB. CPU is the
client process's own, user and system; requests are what the fast server counted. Files lie below --folder. Peers that are not installed are left out; tools/peers.sh installs them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = Path(os.environ.get("VARVE_PEERS", ROOT / "build" / "peers"))
BIN = ROOT / "build" / "release" / "bin"
BUCKET = "varve-bench"


def peer_commands(client: str, action: str, folder: Path, prefix: str) -> list[str] | None:
    """The command of a client, or None where it is not installed."""
    url = f"s3://{BUCKET}/{prefix}"
    if client == "varve":
        return [str(BIN / "s3_files"), "put", str(folder), url] if action == "up" else [str(BIN / "s3_files"), "get", url, str(folder)]
    if client == "s5cmd":
        tool = PEERS / "bin" / "s5cmd"
        endpoint = ["--endpoint-url", os.environ["AWS_ENDPOINT_URL"]]
        moves = [f"{folder}/", f"{url}/"] if action == "up" else [f"{url}/*", f"{folder}/"]
        return [str(tool), *endpoint, "--log", "error", "cp", *moves] if tool.exists() else None
    if client == "rclone":
        tool = PEERS / "bin" / "rclone"
        remote = (
            f":s3,provider=Other,env_auth,force_path_style,no_check_bucket,disable_checksum,endpoint='{os.environ['AWS_ENDPOINT_URL']}':"
            f"{BUCKET}/{prefix}"
        )
        moves = [str(folder), remote] if action == "up" else [remote, str(folder)]
        options = ["--config", "/dev/null", "--transfers", "8", "--s3-upload-concurrency", "8", "--retries", "1"]
        return [str(tool), "copy", *options, *moves] if tool.exists() else None
    python = PEERS / ("crt" if client == "boto3-crt" else "venv") / "bin" / "python"
    return [str(python), str(ROOT / "bench" / "s3" / "peer.py"), client, action, str(folder), BUCKET, prefix] if python.exists() else None


def measure(command: list[str]) -> dict[str, float]:
    """Runs one client; wall seconds, CPU seconds and peak memory of the process and its children."""
    code = (
        "import json,resource,subprocess,sys,time\n"
        "begun=time.perf_counter(); done=subprocess.run(sys.argv[1:],capture_output=True,text=True)\n"
        "seconds=time.perf_counter()-begun; used=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps({'rc':done.returncode,'wall_s':seconds,'cpu_s':used.ru_utime+used.ru_stime,"
        "'peak_mib':used.ru_maxrss/1024,'out':(done.stdout+done.stderr)[-2000:]}))"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    if result["rc"] != 0:
        raise RuntimeError(f"{command[0]}: {result['out']}")
    return result


class Server:
    """The server of a run, as a context; sets AWS_* for the clients."""

    def __init__(self, kind: str, delay_ms: int) -> None:
        self.kind, self.delay_ms, self.folder = kind, delay_ms, tempfile.mkdtemp(prefix="varve-bench-")
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Server:
        os.environ.update(AWS_ACCESS_KEY_ID="varvetest", AWS_SECRET_ACCESS_KEY="varvetestsecret", AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1")
        if self.kind == "rgw":
            subprocess.run([ROOT / "tools" / "rgw.sh", "start", Path(self.folder, "rgw"), "7999"], check=True, stdout=subprocess.DEVNULL)
            port = "7999"
        elif self.kind == "versitygw":
            port, data = "7070", Path("/dev/shm", Path(self.folder).name)
            data.mkdir()
            Path(data, BUCKET).mkdir()
            gateway = [PEERS / "bin" / "versitygw", "--access", "varvetest", "--secret", "varvetestsecret", "--port", f"127.0.0.1:{port}", "--quiet"]
            self.process = subprocess.Popen([*gateway, "posix", data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
            time.sleep(3)
        else:
            self.process = subprocess.Popen([BIN / "fast_s3", "--delay-ms", str(self.delay_ms)], stdout=subprocess.PIPE, text=True)
            assert self.process.stdout is not None
            port = self.process.stdout.readline().strip()
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
        if self.kind == "rgw":
            subprocess.run([PEERS / "venv" / "bin" / "python", "-c", f"import boto3; boto3.client('s3').create_bucket(Bucket='{BUCKET}')"], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        if self.kind == "rgw":
            subprocess.run([ROOT / "tools" / "rgw.sh", "stop", Path(self.folder, "rgw")], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(Path("/dev/shm", Path(self.folder).name), ignore_errors=True)


def requests_so_far(server: str) -> int:
    if server != "fast":
        return 0
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/-/requests") as answer:
        return int(answer.read())


def fill(folder: Path, files: int, bytes_each: int) -> None:
    folder.mkdir(parents=True)
    block = os.urandom(1 << 20)
    for number in range(files):
        with open(folder / f"file{number:05}", "wb") as file:
            file.write(number.to_bytes(8, "little"))
            left = bytes_each - 8
            while left > 0:
                left -= file.write(block[: min(left, len(block))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=("fast", "rgw", "versitygw"), default="fast")
    parser.add_argument("--mib", type=int, default=4096)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--cases", default="one,many,small")
    parser.add_argument("--folder", default="/dev/shm")
    parser.add_argument("--clients", default="varve,s5cmd,obstore,boto3-crt,boto3,rclone")
    args = parser.parse_args()
    shapes = {"one": (1, args.mib << 20), "many": (args.mib // 64, 64 << 20), "small": (args.small, 16 << 10)}
    work = Path(tempfile.mkdtemp(prefix="varve-bench-", dir=args.folder))
    rows: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    try:
        with Server(args.server, args.delay_ms):
            for case in args.cases.split(","):
                files, bytes_each = shapes[case]
                source = work / case
                fill(source, files, bytes_each)
                for round_number in range(args.rounds):
                    for client in args.clients.split(","):
                        prefix = f"{case}/{client}"
                        for action in ("up", "down"):
                            sink = work / "sink"
                            shutil.rmtree(sink, ignore_errors=True)
                            sink.mkdir()
                            if args.server != "fast" and action == "up":
                                prefix = f"{case}/{client}{round_number}"
                            command = peer_commands(client, action, source if action == "up" else sink, prefix)
                            if command is None:
                                continue
                            before = requests_so_far(args.server)
                            result = measure(command)
                            result["requests"] = requests_so_far(args.server) - before
                            if action == "down":
                                got = list(sink.rglob("file*"))
                                sizes = sum(p.stat().st_size for p in got)
                                if len(got) != files or sizes != files * bytes_each:
                                    raise RuntimeError(f"{client} left {len(got)} files of {sizes} bytes")
                            rows.setdefault((case, action, client), []).append(result)
                shutil.rmtree(source)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"server {args.server}, {args.mib} MiB, {args.small} small files, delay {args.delay_ms} ms, median of {args.rounds}")
    print("| case | client | wall s | GB/s | CPU s/GB | peak MiB | requests | wall: best other / this | CPU: this / best other |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    middle = {key: {what: statistics.median(r[what] for r in runs) for what in ("wall_s", "cpu_s", "peak_mib", "requests")} for key, runs in rows.items()}
    for (case, action, client), figures in middle.items():
        others = [m for (c, a, other), m in middle.items() if (c, a) == (case, action) and other != client]
        gigabytes = shapes[case][0] * shapes[case][1] / 1e9
        fastest = min(others, key=lambda m: m["wall_s"], default=figures)
        print(
            f"| {case} {action} | {client} | {figures['wall_s']:.2f} | {gigabytes / figures['wall_s']:.2f} | {figures['cpu_s'] / gigabytes:.2f} | "
            f"{figures['peak_mib']:.0f} | {figures['requests']:.0f} | {fastest['wall_s'] / figures['wall_s']:.2f} | {figures['cpu_s'] / fastest['cpu_s']:.2f} |"
        )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    main()
