"""Starts the S3 servers of tools/s3_server.sh, each on a free port in a folder of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
VARVE = ROOT / "build" / "release" / "bin" / "varve"
TOOL = ROOT / "tools" / "s3_server.sh"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(server: str, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a running server; skips the test where it is not installed."""
    started = subprocess.run([TOOL, server, "start", folder, str(free_port())], capture_output=True, text=True)
    if started.returncode == 3:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stdout + started.stderr
    lines = (folder / "env").read_text().splitlines()
    try:
        yield dict(line.removeprefix("export ").split("=", 1) for line in lines)
    finally:
        subprocess.run([TOOL, server, "stop", folder], check=True)
