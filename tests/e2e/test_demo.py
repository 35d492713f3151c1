"""Goal: the demo proves what it prints: a run killed in a save and resumed ends as one that was not.

Method: tools/demo.py itself, shorter, on a folder and on a real S3 server; its summary is read back.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_a_short_demo_ends_equal_after_a_kill(place, tmp_path, request):
    where = str(tmp_path / "lake")
    if place == "s3":
        where = request.getfixturevalue("s3_server")["VARVE_TEST_S3"] + "/demo"
    command = [sys.executable, ROOT / "tools" / "demo.py", "--lake", where, "--steps", "24", "--every", "6", "--out", tmp_path]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["killed"] is True and summary["damage"] == 0
    assert summary["loss_uninterrupted"] == summary["loss_resumed"] > 0
    assert summary["versions"] >= 3
    assert 0 < summary["bytes_stored"] <= summary["bytes_logical"]
    assert summary["lost_ms_per_save"] > 0 and summary["seconds"] > 0
    assert "resumed from step" in done.stdout or summary["resumed_from_step"] == 0
