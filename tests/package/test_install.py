"""Goal: `pip install .` in a clean environment gives `import varve` and the command, next to torch in either order.

Method: a fresh virtual environment without any of ours; pip builds in isolation, as a user's would. Skipped only where
the package index cannot be reached, which pip says in its own words.
"""

import os
import pathlib
import subprocess
import sys

import pytest

import varve

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*words, **env):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run([*map(str, words)], capture_output=True, text=True, env={**clean, **env}, cwd="/")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    home = tmp_path_factory.mktemp("clean") / "env"
    assert run(sys.executable, "-m", "venv", home).returncode == 0
    # The compiler cache is the only thing shared with this checkout; it helps when warnings are treated alike.
    cache = (ROOT / "build/release/CMakeCache.txt").read_text()
    same = "cmake.define.VARVE_WERROR=" + ("ON" if "VARVE_WERROR:BOOL=ON" in cache else "OFF")
    pip = [home / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--config-settings", same, ROOT]
    done = run(*pip, CMAKE_BUILD_PARALLEL_LEVEL="2")
    if "Failed to establish a new connection" in done.stderr or "No matching distribution found for nanobind" in done.stderr:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return home


def test_the_command_and_the_package_work_together(installed, tmp_path):
    lake = tmp_path / "lake"
    assert run(installed / "bin/varve", "--version").stdout.strip() == varve.__version__
    assert run(installed / "bin/varve", "init", lake).returncode == 0
    code = (
        "import sys, numpy, varve\n"
        "assert 'torch' not in sys.modules\n"
        f"lake = varve.open({str(lake)!r})\n"
        "lake.save('net', {'w': numpy.arange(10.0), 'step': 3})\n"
        "print(lake.load('net')['w'].sum(), varve.__file__)\n"
    )
    done = run(installed / "bin/python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("45.0 " + str(installed))
    assert "v1" in run(installed / "bin/varve", "log", "net", "--lake", lake).stdout


def test_nothing_of_the_checkout_is_needed(installed):
    found = run(installed / "bin/python", "-c", "import varve._core as core; print(core.__file__)").stdout
    assert str(ROOT) not in found and str(installed) in found
    listed = run(installed / "bin/python", "-m", "pip", "show", "-f", "varve").stdout
    assert "varve/py.typed" in listed and "varve/_core.pyi" in listed and "../bin/varve" in listed
    for stray in ("tests/", "bench/", "src/", "fuzz"):
        assert stray not in listed


@pytest.mark.parametrize("order", ["torch, varve", "varve, torch"])
def test_either_import_order_beside_torch(installed, order, tmp_path):
    torch = pytest.importorskip("torch")
    beside = pathlib.Path(torch.__file__).parents[1]
    code = (
        "import sys\n"
        f"sys.path.append({str(beside)!r})\n"
        f"import {order}\n"
        f"lake = varve.open({str(tmp_path / 'lake')!r}, create=True)\n"
        "state = {'w': torch.randn(100_000), 'b': torch.ones(3, dtype=torch.bfloat16)}\n"
        "lake.save('net', state)\n"
        "back = lake.load('net')\n"
        "assert all(torch.equal(back[k], state[k]) for k in state)\n"
        "print(torch.linalg.svd(torch.randn(50, 50))[1].shape, varve.__file__)\n"
    )
    done = run(installed / "bin/python", "-c", code)
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(installed) in done.stdout
