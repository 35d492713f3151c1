"""Writes docs/errors.md from include/varve/error.h; with --check, says whether it is up to date."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def page() -> str:
    rows = re.findall(
        r'X\(k\w+,\s*(\d+), "(\w+)",\s*(\d+), (\d+), (true|false),\s*"(\w+)",\s*"([^"]+)"\)',
        (ROOT / "include" / "varve" / "error.h").read_text(),
    )
    lines = [
        "# Errors", "", "Written from include/varve/error.h by `make docs`. One table for C++, Python, exit codes and HTTP.", "",
        "| kind | exit status | HTTP | try again | Python class | what to do |", "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {n} | {e} | {h} | {'yes' if r == 'true' else 'no'} | `varve.errors.{c}` | {a} |" for _, n, e, h, r, c, a in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    target = ROOT / "docs" / "errors.md"
    if "--check" in sys.argv:
        if target.exists() and target.read_text() == page():
            return 0
        print("docs/errors.md is not what include/varve/error.h says; run make docs")
        return 1
    target.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
