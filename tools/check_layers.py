"""Checks that every #include keeps the layers of docs/architecture.md, and that every folder has its README.

A folder may include itself, include/varve, and the folders that ALLOWED names for it; a folder that is not in the
table fails, so that its place is decided before its code is written. Test files may also include what only tests use.

Usage: check_layers.py [ROOT]. Prints each violation with its reason; exit status 1 when there is one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ALLOWED: dict[str, list[str]] = {
    "base": [],
    "hash": ["base"],
    "codec": ["base", "hash"],
    "format": ["base", "hash", "codec"],
    "plan": ["base", "hash"],
    "exec": ["base"],
    "http": ["base", "plan", "exec"],
    "store": ["base", "hash", "exec"],
    "store/*": ["base", "hash", "plan", "exec", "http", "store"],
    "transfer": ["base", "hash", "codec", "format", "plan", "exec", "store"],
    "lake": ["base", "hash", "codec", "format", "plan", "exec", "store", "transfer"],
    "track": ["base", "hash", "codec", "format", "plan", "exec", "store", "transfer", "lake"],
    "testing": ["base", "hash", "exec", "http", "store", "store/*", "lake"],
}
FACE = ["base", "hash", "codec", "format", "plan", "exec", "store", "store/*", "lake", "track"]
ALLOWED["server"] = FACE
ALLOWED["cli"] = [*FACE, "server"]
# The glue opens a store by its address as the command does (cli/open_store.h).
ALLOWED["python"] = [*FACE, "cli"]

# Only tests include these; they may then include every lower layer and any store.
TEST_ONLY = {"store/conformance", "store/fault", "store/memory", "testing"}
TEST_HEADER = "sample_"  # Headers of this name hold what the tests of their folder share.
PURE = {"hash", "codec", "format", "plan"}
IMPURE = {
    "varve/base/clock.h": "time",
    "varve/base/random.h": "randomness",
    "chrono": "time",
    "ctime": "time",
    "random": "randomness",
    "thread": "threads",
    "mutex": "threads",
    "fstream": "I/O",
    "filesystem": "I/O",
    "iostream": "I/O",
    "unistd.h": "I/O",
}
# A library that one folder wraps; everything else goes through that folder.
WRAPPED = {
    "curl/": ["http"],
    "openssl/": ["hash", "store/s3"],
    "llvm-c/": ["hash"],
    "zstd.h": ["codec", "format"],
    "pugixml.hpp": ["store/s3"],
    "CLI/": ["cli"],
    "nanobind/": ["python"],
    "gtest/": ["store/conformance", "testing"],
}
README_LINES_MAX = 20


def folder_of(path: str) -> str:
    """The folder of a file below src/varve: the first level, two below store/."""
    parts = path.split("/")[:-1]
    return "/".join(parts[:2]) if parts[:1] == ["store"] else "/".join(parts[:1])


def rule_of(folder: str) -> str:
    return "store/*" if folder.startswith("store/") else folder


def reason(folder: str, is_test: bool, quoted: str | None, angled: str | None) -> str | None:
    """Why a file of `folder` may not have this include, or None."""
    if folder == "python" and quoted is not None and "/" not in quoted:
        return None  # The glue is not on the include path; its own headers have no other name.
    if quoted is not None and not quoted.startswith("varve/"):
        return f'"{quoted}" hides its layer; include it as "varve/FOLDER/FILE.h"'
    name = quoted or angled or ""
    if not is_test:
        if folder in PURE and name in IMPURE:
            return f"{folder} is pure and may not see {IMPURE[name]}; take the result as an argument"
        for prefix, homes in WRAPPED.items():
            if angled is not None and angled.startswith(prefix) and folder not in homes:
                return f"<{angled}> belongs to {' and '.join(homes)}; call it through that folder"
    if quoted is None:
        return None
    target = folder_of(quoted.removeprefix("varve/"))
    if Path(quoted).name.startswith(TEST_HEADER) and not is_test:
        return f"{quoted} is for tests: its name says so"
    if target in ("", folder):
        return None
    if target in TEST_ONLY and not is_test:
        return f"{folder} may not include {target}: only tests do"
    allowed = [*ALLOWED.get(rule_of(folder), []), *(TEST_ONLY if is_test else [])]
    if target in allowed or rule_of(target) in allowed:
        if folder.startswith("store/") and target.startswith("store/") and target not in TEST_ONLY:
            return f"{folder} may not include {target}: stores know only the seam in store/"
        return None
    return f"{folder} may not include {target}; see Layers in docs/architecture.md"


def include_violations(root: Path) -> list[str]:
    source, installed, glue = root / "src" / "varve", root / "include" / "varve", root / "python" / "src"
    files = [(p, folder_of(p.relative_to(source).as_posix())) for p in sorted(source.rglob("*"))]
    files += [(p, "include") for p in sorted(installed.rglob("*"))]
    files += [(p, "python") for p in sorted(glue.rglob("*"))]
    found = []
    for path, folder in files:
        if path.suffix not in (".h", ".cc"):
            continue
        where = path.relative_to(root).as_posix()
        if folder != "include" and rule_of(folder) not in ALLOWED:
            found.append(f"{where}: folder {folder or 'src/varve'} has no layer; give it one in tools/check_layers.py")
            continue
        is_test = path.name.endswith("_test.cc") or path.name.startswith(TEST_HEADER) or folder in TEST_ONLY
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
            if match is None:
                continue
            why = reason(folder, is_test, match[1], match[2])
            if why is not None:
                found.append(f"{where}:{number}: {why}")
    return found


def readme_violations(root: Path) -> list[str]:
    source = root / "src" / "varve"
    found = []
    for folder in sorted(p for p in source.rglob("*") if p.is_dir()):
        readme = folder / "README.md"
        if not any(p.suffix in (".h", ".cc") for p in folder.iterdir()):
            continue
        if not readme.exists():
            found.append(f"{folder.relative_to(root)}: no README.md; say what belongs here and what does not")
        elif len(readme.read_text().splitlines()) > README_LINES_MAX:
            found.append(f"{readme.relative_to(root)}: longer than {README_LINES_MAX} lines; keep what a caller needs")
    return found


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    found = include_violations(root) + readme_violations(root)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
