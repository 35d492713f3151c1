"""Goal: the checks of the house can fail. Method: small trees that break one rule each."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def run(tool: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / "tools" / tool, root], capture_output=True, text=True)


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("tool", ["check_layers.py", "tidy.py"])
def test_the_house_is_clean(tool):
    result = run(tool, ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "include"),
    [
        ("src/varve/base/a.h", "varve/hash/hash.h"),
        ("src/varve/format/a.h", "varve/exec/op_context.h"),
        ("src/varve/lake/a.cc", "varve/store/s3/s3_store.h"),
        ("src/varve/store/file/a.h", "varve/store/s3/s3_store.h"),
        ("src/varve/lake/a.h", "varve/store/memory/memory_store.h"),
    ],
)
def test_layers_can_fail(tmp_path, file, include):
    write(tmp_path, file, f'#include "{include}"\n')
    write(tmp_path, str(Path(file).parent / "README.md"), "what\n")
    result = run("check_layers.py", tmp_path)
    assert result.returncode == 1
    assert "may not include" in result.stdout


def test_a_folder_without_readme_fails(tmp_path):
    write(tmp_path, "src/varve/base/a.h", "\n")
    assert "no README.md" in run("check_layers.py", tmp_path).stdout


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("src/varve/lake/a.cc", "std::this_thread::sleep_for(x);\n"),
        ("src/varve/lake/a.cc", "auto t = std::chrono::system_clock::now();\n"),
        ("src/varve/lake/a.cc", "std::thread worker;\n"),
        ("src/varve/lake/a.cc", "throw 1;\n"),
        ("src/varve/lake/a.cc", "int x; \n"),
        ("src/varve/lake/a.cc", "//" + "x" * 200 + "\n"),
        ("src/varve/lake/a.cc", "\n" * 1001),
        ("python/varve/a.py", "import pickle\n"),
        ("docs/a.md", "TODO\n"),
        ("docs/a.md", "see /root/x\n"),
    ],
)
def test_tidy_can_fail(tmp_path, file, text):
    write(tmp_path, file, text)
    assert run("tidy.py", tmp_path).returncode == 1
