"""The command on a lake in a fresh folder, as a person runs it."""

import os
import subprocess
from pathlib import Path

import pytest

BINARY = Path(os.environ.get("VARVE_BIN", Path(__file__).parent.parent.parent / "build" / "release" / "bin" / "varve"))


@pytest.fixture
def varve(tmp_path):
    """Runs `varve ARGS` and checks its exit status; the lake is tmp_path / "lake", which is not made yet."""

    def run(*args, status=0):
        env = {**os.environ, "VARVE_LAKE": str(tmp_path / "lake"), "HOME": str(tmp_path)}
        result = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True, env=env)
        assert result.returncode == status, result.stdout + result.stderr
        return result

    return run
