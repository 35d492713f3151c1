"""The house rules that a machine can check. Each message names the replacement.

Usage: tidy.py [ROOT]. Prints violations and warnings; exit status 1 when a rule is broken. The patterns are written so
that none matches its own text: no file is exempt.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LINES_MAX, LINES_WARN = 1000, 600
COLUMNS_MAX = {".h": 100, ".cc": 100, ".sh": 120}
SOURCE = {".h", ".cc", ".py", ".sh", ".ts", ".svelte"}
SUFFIXES = SOURCE | {".md", ".txt", ".toml", ".json", ".cmake", ".yaml", ".yml", ".map", ""}
SKIPPED = {"build", "dist", ".venv", ".git", "node_modules", "__pycache__"}


class Rule(NamedTuple):
    pattern: str
    allowed: tuple[str, ...]  # Where the path starts so, the rule does not hold.
    instead: str


CPP = [
    Rule(r"\bsleep_(for|until)\b|\bu?sleep\s*\(|\bnanosleep\b", ("src/varve/base/",), "OpContext::SleepMs, or Clock"),
    Rule(
        r"\b(system|steady|high_resolution)_clock\b|(?<![\w.>])time\s*\(|\bclock_gettime\b|\bgettimeofday\b",
        ("src/varve/base/",),
        "take time from Clock",
    ),
    Rule(
        r"(?<![\w.>])s?rand\s*\(|\bmt19937\w*|\brandom_device\b|\bgetrandom\b",
        ("src/varve/base/",),
        "take randomness from Random",
    ),
    Rule(
        r"\bstd::j?thread\b(?!::hardware_concurrency)|\bstd::async\b|\bpthread_create\b",
        ("src/varve/exec/", "src/varve/testing/", "python/src/"),
        "use ThreadPool or ParallelFor of exec/",
    ),
    Rule(
        r"\bstd::condition_variable\w*",
        ("src/varve/exec/", "src/varve/testing/", "python/src/"),
        "use Mutex and CondVar of exec/sync.h, which the simulator can run",
    ),
    Rule(r"\bco_(await|yield|return)\b", (), "write blocking code on bounded threads"),
    Rule(r"\bthrow\b", ("python/src/",), "return an Error"),
    Rule(r"\b(sprintf|strcpy|strcat|strtok|gets)\s*\(", (), "use snprintf, std::string or std::string_view"),
    Rule(
        r"\b(std::)?f?printf\s*\(|\bstd::(cout|cerr)\b",
        ("src/varve/cli/", "fuzz/", "bench/", "sim/"),
        "return it: only cli prints",
    ),
    Rule(r"\busing namespace std;", (), "name what you use"),
]
# In tests real time and threads are what is tested; everything else holds there too.
CPP_TEST_MAY = {
    "take time from Clock",
    "use ThreadPool or ParallelFor of exec/",
    "use Mutex and CondVar of exec/sync.h, which the simulator can run",
    "OpContext::SleepMs, or Clock",
}
PACKAGE = [  # python/varve
    Rule(r"^\s*(import|from)\s+(pickle|cPickle|dill|cloudpickle|marshal|shelve)\b", (), "the typed tree: no pickle"),
    Rule(r"\btorch\.(load|save)\s*\(", (), "lake.load and lake.save: no pickle"),
    Rule(r"(?<![\w.])(eval|exec)\s*\(", (), "parse the data"),
    Rule(r"(?<![\w.])print\s*\(", (), "return it, or the warnings module"),
]
EVERYWHERE = [
    Rule(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b", (), "do it, or leave it out"),
    Rule(r"(?<![\w.~])/(root|home|work)/|(?<![\w.])/tmp/[a-z]/", (), "a path that every machine has"),
    Rule(
        r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|(deb|security)[.]debian[.]org|(archive|ports)[.]ubuntu[.]com"
        r"|crates[.]io|proxy[.]golang|download[.]pytorch",
        (),
        "no address of a package registry: use the client's own setting",
    ),
    Rule(r"^(<{7}|>{7}) |^={7}$", (), "resolve the merge"),
    Rule(r"\bAKIA(?!\w*EXAMPLE)[0-9A-Z]{16}\b|BEGIN [A-Z ]*PRIVATE[ ]KEY", (), "no secret in the tree"),
]


def code_of(line: str) -> str:
    """The line without its string literals and its comment."""
    return re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]


def broken(rules: list[Rule], name: str, text: str) -> list[str]:
    found = []
    for rule in rules:
        match = re.search(rule.pattern, text)
        if match is not None and not name.startswith(rule.allowed):
            found.append(f"'{match[0].strip()}' is banned here; instead: {rule.instead}")
    return found


def line_violations(name: str, line: str) -> list[str]:
    suffix = Path(name).suffix
    found = []
    if line != line.rstrip():
        found.append("space at the end of the line")
    # The rows of an X macro and an address cannot be wrapped.
    wrappable = not re.match(r"\s*(// )?X\(|#define .*\\$", line) and "://" not in line
    if wrappable and len(line) > COLUMNS_MAX.get(suffix, len(line)):
        found.append(f"{len(line)} columns; at most {COLUMNS_MAX[suffix]} (make fmt)")
    if suffix in (".h", ".cc"):
        test = name.endswith("_test.cc") or name.startswith("tests/")
        found += broken([r for r in CPP if not (test and r.instead in CPP_TEST_MAY)], name, code_of(line))
    if name.startswith("python/varve/") and suffix == ".py":
        found += broken(PACKAGE, name, line.split("#")[0])
    return found + broken(EVERYWHERE, name, line)


def files_of(root: Path) -> list[Path]:
    """What git keeps or would keep; without git, everything outside of the skipped folders."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True
    )
    if listed.returncode == 0 and (root / ".git").exists():
        paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [p for p in root.rglob("*") if not SKIPPED & set(p.relative_to(root).parts)]
    return sorted(p for p in paths if p.suffix in SUFFIXES and p.is_file() and not p.is_symlink())


def violations(root: Path) -> tuple[list[str], list[str]]:
    errors: list[str] = []
    warnings: list[str] = []
    for path in files_of(root):
        name = path.relative_to(root).as_posix()
        body = path.read_bytes()
        if b"\0" in body or name.startswith("fuzz/corpus/"):
            continue
        lines = body.decode(errors="replace").split("\n")
        if lines[-1] != "":
            errors.append(f"{name}: no newline at the end of the file")
        count = len(lines) - 1
        if path.suffix in SOURCE and count > LINES_MAX:
            errors.append(f"{name}: {count} lines; at most {LINES_MAX}: split it by what a reader looks for")
        elif path.suffix in SOURCE and count > LINES_WARN:
            warnings.append(f"{name}: {count} lines; aim at 150, above {LINES_WARN} needs a reason")
        for number, line in enumerate(lines, 1):
            errors += [f"{name}:{number}: {each}" for each in line_violations(name, line)]
    return errors, warnings


def main() -> int:
    errors, warnings = violations(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent)
    for line in warnings:
        print("warning:", line)
    for line in errors:
        print(line)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
