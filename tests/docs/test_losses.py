"""Every case, incident and promise of the documents is held by tests that exist: in a program that was built, or in what
pytest collects."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "bin"
WAITS: set[tuple[str, int]] = set()  # What does not exist yet; its row says so.


@pytest.fixture(scope="module")
def tests():
    """Suite.Name of the programs, test names of pytest, and names of ctest."""
    names = set()
    programs = sorted(BIN.glob("*_test"))
    assert len(programs) > 15
    for program in programs:
        suite = None
        for line in subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, check=True).stdout.splitlines():
            word = line.split("#")[0].strip()
            if not line.startswith(" "):
                parts = word.rstrip(".").split("/")  # "All/ModelMutation", the first an instantiation; "Typed/0".
                suite = parts[0] if parts[-1].isdigit() else parts[-1]
            else:
                names.add(f"{suite}.{word.split('/')[0]}")
    collected = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", ROOT / "tests"], capture_output=True, text=True, cwd=ROOT).stdout
    names |= set(re.findall(r"::(test_\w+)", collected))
    names |= set(re.findall(r"Test +#\d+: (\w+)", subprocess.run(["ctest", "--test-dir", ROOT / "build" / "release", "-N"], capture_output=True, text=True).stdout))
    return names


def rows(path, heading):
    section = (ROOT / path).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {int(number): held for number, held in re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", section, re.M)}


@pytest.mark.parametrize(("kind", "count"), [("case", 30), ("incident", 25)])
def test_each_loss_has_a_test_of_its_number(tests, kind, count):
    found = rows("docs/incidents.md", f"{kind.title()}s")
    assert sorted(found) == list(range(1, count + 1))
    for number, held in found.items():
        if held.startswith("waits: "):
            assert (kind, number) in WAITS, held
            continue
        assert (kind, number) not in WAITS, "it is held now"
        names = held.split(", ")
        for name in names:
            assert name in tests, f"{kind} {number}: there is no test {name}"
            assert name.startswith((f"{kind.title()}{number:02}.", f"test_{kind}_{number:02}_")), name
    # And the reverse: a test of a number is in its row.
    for name in tests:
        numbered = re.match(rf"(?:{kind.title()}|test_{kind}_)(\d\d)(?:\.|_)", name)
        if numbered:
            assert name in found[int(numbered[1])], f"{name} is not in docs/incidents.md"


def test_each_promise_has_tests(tests):
    text = (ROOT / "docs/consistency.md").read_text()
    promises = dict(re.findall(r"^\| (P\d+) \|.*\| ([^|]*) \|$", text, re.M))
    assert list(promises) == [f"P{number}" for number in range(1, 17)]
    suites = {name.split(".")[0] for name in tests}
    for promise, held in promises.items():
        names = [name.strip("`").split(" (")[0] for name in held.split(", ")]
        assert names and all(names), promise
        for name in names:
            known = name in tests or (name.endswith("*") and any(suite.startswith(name[:-1]) for suite in suites)) or name in suites
            assert known, f"{promise}: there is no test {name}"
