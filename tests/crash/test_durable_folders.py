"""Goal: what `varve get` says it wrote outlasts a power cut, the folders above it included.

Method: strace shows what is synced; each folder that was made must have been synced, and so must the one it was made in.
"""

import re
import subprocess

import pytest
from rounds import COMMAND, command, put_command, write


@pytest.mark.parametrize("made", [0, 1, 3])
def test_every_folder_that_get_makes_is_synced_in_its_parent(tmp_path, made):
    lake = tmp_path / "lake"
    assert command("init", lake).returncode == 0
    assert subprocess.run(put_command(lake, write(tmp_path / "in", 2), 2), capture_output=True).returncode == 0
    there = tmp_path / "there"
    there.mkdir()
    destination = there.joinpath(*[f"level{i}" for i in range(made)], "out")
    trace = tmp_path / "trace"
    traced = ["strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=fsync,mkdir,mkdirat,rename,renameat,renameat2"]
    got = subprocess.run([*traced, *map(str, (COMMAND, "get", "model", destination, "--lake", lake))], capture_output=True, text=True)
    assert got.returncode == 0, got.stderr
    assert (destination / "sub" / "own.bin").exists()
    lines = trace.read_text().splitlines()
    moved = next(number for number, line in enumerate(lines) if "rename" in line and str(destination) in line)
    synced_after = {path for line in lines[moved:] for path in re.findall(r"fsync\(\d+<([^>]*)>\) += 0", line)}
    folders = [destination.parent]
    while folders[-1] != there:
        folders.append(folders[-1].parent)
    assert {str(folder) for folder in folders} <= synced_after
    # Nothing above what was there before needs it.
    assert str(tmp_path) not in synced_after
