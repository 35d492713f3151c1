"""What the crash tests share: folders whose bytes follow from a number, and lakes read back byte by byte."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import varve

COMMAND = Path(__file__).parent.parent.parent / "build" / "release" / "bin" / "varve"
LARGE_BYTES = 20_000_000  # Several packs.


def is_large(number: int) -> bool:
    return number % 4 == 1


def content(number: int) -> dict[str, bytes]:
    """The files of one put: one that all have, so that it is shared, and one of its own."""
    own = random.Random(number)
    own_bytes = LARGE_BYTES if is_large(number) else own.randrange(1, 400_000)
    return {"same.bin": random.Random(0).randbytes(200_000), "sub/own.bin": own.randbytes(own_bytes)}


def write(folder: Path, number: int) -> Path:
    for name, data in content(number).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put_command(lake: str | Path, folder: Path, number: int) -> list[str]:
    """Puts the folder; the version's step says whose bytes it must have."""
    return [str(COMMAND), "put", "model", str(folder), "--step", str(number), "--lake", str(lake), "--json"]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, env={**os.environ}, timeout=300)


def check_lake(lake: varve.Lake, scratch: Path) -> dict[int, int]:
    """Reads every version that was not forgotten back and compares its bytes. Returns the step of each version."""
    history = {each.version: each for each in lake.history("model", limit=100_000)}
    assert sorted(history) == list(range(1, len(history) + 1)), "a gap"
    for version, entry in history.items():
        if entry.forgotten is not None:
            continue
        there = scratch / f"v{version}"
        lake.get(f"model@v{version}", there)
        assert read(there) == content(entry.step), f"v{version} has other bytes"
        shutil.rmtree(there)
    return {version: entry.step for version, entry in history.items()}
