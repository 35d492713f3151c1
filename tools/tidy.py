"""The house rules that a machine can check. Each message names the replacement.

Usage: tidy.py [ROOT]. Exit status 1 when a rule is broken.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LINES_MAX, LINES_WARN, COLUMNS_MAX = 1000, 600, 100
SUFFIXES = {".h", ".cc", ".py", ".sh", ".md", ".txt", ".toml", ".json", ".cmake"}

# (pattern, folders where it is allowed, what to do instead)
CPP_BANNED = [
    (r"\bsleep_for\b|\busleep\(|\bnanosleep\(", ["src/varve/base"], "sleep through OpContext::SleepMs"),
    (r"\bsystem_clock\b|\bsteady_clock\b|\btime\(nullptr\)", ["src/varve/base"], "take time from Clock"),
    (r"\bstd::rand\b|\bmt19937\b|\brandom_device\b", ["src/varve/base"], "take randomness from Random"),
    (r"\bstd::thread\b", ["src/varve/exec", "src/varve/lake/core.cc", "python/src"], "use ThreadPool or ParallelFor"),
    (r"\bco_await\b|\bco_return\b", [], "write blocking code on bounded threads"),
    (r"\bthrow\b(?! nb::)", ["python/src"], "return an Error"),
    (r"\busing namespace std;", [], "name what you use"),
]
EVERYWHERE = [
    (r"\b(TODO|FIXME|XXX|HACK)\b", "do it, or leave it out"),
    (r"(?<![\w.])/(root|home|work)/", "no path of one machine"),
    (r"pypi\.org|pythonhosted|registry\.npmjs|deb\.debian\.org|crates\.io|proxy\.golang", "no address of a package registry"),
]


def violations(root: Path, files: list[Path] | None = None) -> tuple[list[str], list[str]]:
    errors, warnings = [], []
    if files is None:
        skip = {"build", ".venv", ".git", "node_modules"}
        files = [p for p in sorted(root.rglob("*")) if p.suffix in SUFFIXES and not skip & set(p.relative_to(root).parts)]
    for path in files:
        name = path.relative_to(root).as_posix()
        lines = path.read_text(errors="replace").splitlines()
        rules_file = name in ("tools/tidy.py", "tests/tools/test_checks.py")
        if path.suffix in (".h", ".cc", ".py") and len(lines) > LINES_MAX:
            errors.append(f"{name}: {len(lines)} lines; split it (at most {LINES_MAX})")
        elif path.suffix in (".h", ".cc", ".py") and len(lines) > LINES_WARN:
            warnings.append(f"{name}: {len(lines)} lines; a file that needs a map is two files")
        for number, line in enumerate(lines, 1):
            where = f"{name}:{number}"
            if line != line.rstrip() and path.suffix != ".md":
                errors.append(f"{where}: trailing space")
            if path.suffix in (".h", ".cc") and len(line) > COLUMNS_MAX and not line.lstrip().startswith(("X(", "// X(", "#define VARVE_ERROR_TABLE")):
                errors.append(f"{where}: {len(line)} columns; at most {COLUMNS_MAX}")
            if path.suffix in (".h", ".cc") and not name.endswith("_test.cc"):
                code = line.split("//")[0]
                for pattern, allowed, instead in CPP_BANNED:
                    if re.search(pattern, code) and not any(name.startswith(a) for a in allowed):
                        errors.append(f"{where}: {re.search(pattern, code)[0]} is banned here; {instead}")
            if name.startswith("python/varve/") and re.search(r"^\s*(import|from)\s+(pickle|dill|cloudpickle)\b", line):
                errors.append(f"{where}: no pickle")
            if not rules_file:
                errors.extend(f"{where}: {instead}" for pattern, instead in EVERYWHERE if re.search(pattern, line))
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
