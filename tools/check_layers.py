"""Checks that every #include keeps the layers of docs/architecture.md, and that every folder has its README.

Usage: check_layers.py [ROOT]. Prints each violation with its reason; exit status 1 when there is one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# A folder may include itself, include/varve and every folder named here.
LOW = ["base", "hash", "codec", "format", "plan", "exec", "http"]
ALLOWED = {
    "base": [],
    "hash": ["base"],
    "codec": ["base", "hash"],
    "format": ["base", "hash", "codec"],
    "plan": ["base", "hash"],
    "exec": ["base"],
    "http": ["base", "exec"],
    "store": ["base", "hash", "exec"],
    "store/*": ["base", "hash", "exec", "http", "store"],
    "lake": ["base", "hash", "codec", "format", "plan", "exec", "store"],
    "cli": ["base", "hash", "codec", "format", "plan", "exec", "store", "store/s3", "store/file", "store/retry", "lake"],
    "python": ["base", "codec", "exec", "cli", "lake"],
}
TEST_ONLY = {"store/conformance", "store/fault", "store/memory"}
README_LINES_MAX = 20


def folder_of(path: str) -> str:
    parts = path.split("/")[:-1]
    return "/".join(parts[:2]) if parts[:1] == ["store"] and len(parts) > 1 else (parts[0] if parts else "")


def violations(root: Path) -> list[str]:
    found = []
    source = root / "src" / "varve"
    files = [(p, folder_of(p.relative_to(source).as_posix())) for p in sorted(source.rglob("*")) if p.suffix in (".h", ".cc")]
    files += [(p, "python") for p in sorted((root / "python" / "src").glob("*"))]
    for path, folder in files:
        rule = "store/*" if folder.startswith("store/") else folder
        test = path.name.endswith("_test.cc") or folder == "store/conformance"
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'#include "varve/(.+)"', line)
            if not match or "/" not in match[1]:
                continue
            target = folder_of(match[1])
            where = f"{path.relative_to(root)}:{number}"
            if target == folder or target in ALLOWED.get(rule, []):
                continue
            if test and (target in TEST_ONLY or target in LOW):
                continue
            found.append(f"{where}: {folder} may not include {target}; see docs/architecture.md, Layers")
    for each in [source, *sorted(p for p in source.rglob("*") if p.is_dir())]:
        if each == source or not any(p.suffix in (".h", ".cc") for p in each.iterdir()):
            continue
        readme = each / "README.md"
        if not readme.exists():
            found.append(f"{each.relative_to(root)}: no README.md; say what belongs here and what does not")
        elif len(readme.read_text().splitlines()) > README_LINES_MAX:
            found.append(f"{readme.relative_to(root)}: longer than {README_LINES_MAX} lines")
    return found


def main() -> int:
    found = violations(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
