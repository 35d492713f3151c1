"""Goal: tidy.py accepts this tree and can refuse by each of its rules, naming the replacement.
Method: trees of one file that break one rule each, beside a twin that keeps it. Words that tidy.py refuses are
put together here, so that this file is not exempt."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CODE = "src/varve/lake/a.cc"
LEFT_OVER = "TO" + "DO"
OF_ONE_MACHINE = "/ro" + "ot/x"


def tidy(root):
    return subprocess.run([sys.executable, ROOT / "tools" / "tidy.py", root], capture_output=True, text=True, check=False)


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_tree_is_clean():
    result = tidy(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line", "reason"),
    [
        (CODE, "std::this_thread::sleep_for(ms);", "SleepMs"),
        (CODE, "usleep(3);", "SleepMs"),
        (CODE, "auto t = std::chrono::system_clock::now();", "Clock"),
        (CODE, "auto t = std::chrono::steady_clock::now();", "Clock"),
        (CODE, "auto t = time(nullptr);", "Clock"),
        (CODE, "int r = std::rand();", "Random"),
        (CODE, "std::random_device device;", "Random"),
        (CODE, "std::mt19937_64 engine;", "Random"),
        (CODE, "std::thread worker(f);", "ThreadPool"),
        (CODE, "auto f = std::async(g);", "ThreadPool"),
        (CODE, "co_await f();", "blocking code"),
        (CODE, "throw std::runtime_error(x);", "return an Error"),
        ("src/varve/lake/a_test.cc", "throw 1;", "return an Error"),
        (CODE, "sprintf(b, c);", "snprintf"),
        (CODE, 'std::printf("x");', "only cli prints"),
        (CODE, "std::cerr << x;", "only cli prints"),
        (CODE, "using namespace std;", "name what you use"),
        (CODE, "int x; ", "space at the end"),
        (CODE, "int " + "x" * 97 + ";", "102 columns"),
        ("tools/a.sh", "echo " + "x" * 116, "121 columns"),
        ("python/varve/a.py", "import pickle", "no pickle"),
        ("python/varve/a.py", "    from pickle import loads", "no pickle"),
        ("python/varve/a.py", "x = torch.load(path)", "no pickle"),
        ("python/varve/a.py", "x = eval(text)", "parse"),
        ("python/varve/a.py", "print(x)", "return it"),
        ("docs/a.md", LEFT_OVER + ": more", "do it"),
        ("docs/a.md", "FIX" + "ME", "do it"),
        ("Makefile", "# " + LEFT_OVER, "do it"),
        ("docs/a.md", f"see {OF_ONE_MACHINE}", "every machine"),
        ("tools/a.sh", "cd /ho" + "me/someone", "every machine"),
        ("tools/a.txt", "https://py" + "pi.org/simple", "registry"),
        ("docs/a.md", "<" * 7 + " HEAD", "merge"),
        ("docs/a.md", "AKIA" + "ABCDEFGH01234567", "secret"),
        ("docs/a.md", "-----BEGIN RSA PRIVATE" + " KEY-----", "secret"),
    ],
)
def test_a_line_against_a_rule_fails(tmp_path, file, line, reason):
    write(tmp_path, file, f"\n{line}\n")
    result = tidy(tmp_path)
    assert result.returncode == 1
    assert f"{file}:2: " in result.stdout
    assert reason in result.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("src/varve/base/clock.cc", "std::this_thread::sleep_for(ms); std::chrono::system_clock::now();"),
        ("src/varve/exec/a.cc", "std::thread worker(f);"),
        ("src/varve/lake/a_test.cc", "std::thread worker(f);"),
        ("src/varve/cli/a.cc", 'std::printf("x");'),
        ("python/src/a.cc", "throw nb::python_error();"),
        (CODE, "// Callers never throw here; they sleep_for(a while)."),
        (CODE, 'return Error(kind, "time (of the store) and throw");'),
        (CODE, "const int64_t ms = info.modified_time(3);"),
        (CODE, "std::snprintf(buffer, sizeof buffer, format);"),
        (CODE, "int " + "x" * 95 + ";"),
        ("python/varve/a.py", "text = 'x'  # never eval(x)"),
        ("tests/a.py", "import pickle"),
        ("docs/a.md", "AKIA" + "IOSFODNN7EXAMPLE"),
    ],
)
def test_a_line_within_the_rules_passes(tmp_path, file, line):
    write(tmp_path, file, f"\n{line}\n")
    result = tidy(tmp_path)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    ("lines", "code", "words"), [(600, 0, ""), (601, 0, "warning"), (1000, 0, "warning"), (1001, 1, "at most 1000")]
)
def test_long_files_warn_then_fail(tmp_path, lines, code, words):
    write(tmp_path, CODE, "\n" * lines)
    result = tidy(tmp_path)
    assert result.returncode == code
    assert words in result.stdout
    assert words or not result.stdout


def test_a_file_without_a_last_newline_fails(tmp_path):
    write(tmp_path, CODE, "int x;")
    assert "no newline" in tidy(tmp_path).stdout


def test_build_output_is_not_looked_at(tmp_path):
    write(tmp_path, "build/a.cc", "throw 1;\n")
    assert tidy(tmp_path).returncode == 0
