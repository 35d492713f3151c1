"""The numbers of element types in docs/format-codec.md are those of the code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_document_has_every_number():
    code = re.findall(r'X\(k\w+, (\d+), "(\w+)", (\d+)\)', (ROOT / "src/varve/codec/dtype.h").read_text())
    section = (ROOT / "docs/format-codec.md").read_text().split("## Element types")[1].split("## ")[0]
    document = re.findall(r"^\| (\d+) \| (\w+) \| (\d+) \|", section, re.M)
    assert len(code) > 20
    assert document == [(number, name, str(int(bits) // 8)) for number, name, bits in code]
