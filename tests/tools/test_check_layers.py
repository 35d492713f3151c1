"""Goal: check_layers.py accepts this tree and can refuse by each of its rules, with the reason.
Method: small trees that break one rule each, beside a twin that keeps it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def check(root):
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "check_layers.py", root], capture_output=True, text=True, check=False
    )


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if name.startswith("src/varve/"):
        (path.parent / "README.md").write_text("what\n")


def test_this_tree_is_clean():
    result = check(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "include", "reason"),
    [
        ("src/varve/base/a.h", '"varve/hash/hash.h"', "base may not include hash"),
        ("src/varve/hash/a.h", '"varve/codec/codec.h"', "hash may not include codec"),
        ("src/varve/codec/a.h", '"varve/format/wire.h"', "codec may not include format"),
        ("src/varve/plan/a.h", '"varve/format/commit.h"', "plan may not include format"),
        ("src/varve/format/a.h", '"varve/plan/cdc.h"', "format may not include plan"),
        ("src/varve/format/a.h", '"varve/exec/op_context.h"', "format may not include exec"),
        ("src/varve/codec/a.h", '"varve/exec/op_context.h"', "codec may not include exec"),
        ("src/varve/plan/a.h", '"varve/exec/op_context.h"', "plan may not include exec"),
        ("src/varve/exec/a.h", '"varve/http/transport.h"', "exec may not include http"),
        ("src/varve/http/a.h", '"varve/store/object_store.h"', "http may not include store"),
        ("src/varve/store/a.h", '"varve/store/s3/s3_store.h"', "store may not include store/s3"),
        ("src/varve/store/file/a.h", '"varve/store/s3/s3_store.h"', "store/file may not include store/s3"),
        ("src/varve/store/s3/a.h", '"varve/lake/lake.h"', "store/s3 may not include lake"),
        ("src/varve/transfer/a.h", '"varve/lake/lake.h"', "transfer may not include lake"),
        ("src/varve/lake/a.cc", '"varve/store/s3/s3_store.h"', "lake may not include store/s3"),
        ("src/varve/lake/a_test.cc", '"varve/store/s3/s3_store.h"', "lake may not include store/s3"),
        ("src/varve/track/a.cc", '"varve/store/s3/s3_store.h"', "track may not include store/s3"),
        ("src/varve/lake/a.cc", '"varve/track/run.h"', "lake may not include track"),
        ("src/varve/lake/a.cc", '"varve/cli/print.h"', "lake may not include cli"),
        ("src/varve/server/a.cc", '"varve/cli/print.h"', "server may not include cli"),
        ("src/varve/lake/a.h", '"varve/store/memory/memory_store.h"', "only tests do"),
        ("src/varve/lake/a.h", '"varve/testing/seed.h"', "only tests do"),
        ("src/varve/format/a.cc", '"varve/format/sample_records.h"', "is for tests"),
        ("src/varve/format/a.cc", '"varve/base/clock.h"', "format is pure and may not see time"),
        ("src/varve/plan/a.cc", '"varve/base/random.h"', "plan is pure and may not see randomness"),
        ("src/varve/codec/a.cc", "<thread>", "codec is pure and may not see threads"),
        ("src/varve/format/a.cc", "<fstream>", "format is pure and may not see I/O"),
        ("src/varve/store/s3/a.cc", "<curl/curl.h>", "belongs to http"),
        ("src/varve/lake/a.cc", "<zstd.h>", "belongs to codec"),
        ("src/varve/cli/a.cc", "<nanobind/nanobind.h>", "belongs to python"),
        ("src/varve/lake/a.cc", '"core.h"', "hides its layer"),
        ("include/varve/a.h", '"varve/lake/lake.h"', "include may not include lake"),
        ("python/src/a.cc", '"varve/store/memory/memory_store.h"', "only tests do"),
        ("python/src/a.cc", '"varve/http/transport.h"', "python may not include http"),
    ],
)
def test_an_include_against_the_layers_fails(tmp_path, file, include, reason):
    write(tmp_path, file, f"#pragma once\n  #  include {include}\n")
    result = check(tmp_path)
    assert result.returncode == 1
    assert f"{file}:2: " in result.stdout
    assert reason in result.stdout


@pytest.mark.parametrize(
    ("file", "include"),
    [
        ("src/varve/format/a.h", '"varve/codec/dtype.h"'),
        ("src/varve/lake/a.cc", '"varve/store/object_store.h"'),
        ("src/varve/lake/a_test.cc", '"varve/store/memory/memory_store.h"'),
        ("src/varve/format/a_test.cc", '"varve/base/random.h"'),
        ("src/varve/format/a_test.cc", '"varve/format/sample_records.h"'),
        ("src/varve/store/s3/a_test.cc", '"varve/store/conformance/conformance.h"'),
        ("src/varve/store/retry/a.h", '"varve/store/forwarding.h"'),
        ("src/varve/cli/a.cc", '"varve/store/s3/s3_store.h"'),
        ("src/varve/http/a.cc", "<curl/curl.h>"),
        ("src/varve/base/a.h", '"varve/result.h"'),
        ("python/src/a.cc", '"glue.h"'),
    ],
)
def test_an_include_along_the_layers_passes(tmp_path, file, include):
    write(tmp_path, file, f"#include {include}\n")
    result = check(tmp_path)
    assert (result.returncode, result.stdout) == (0, "")


def test_a_folder_that_has_no_layer_fails(tmp_path):
    write(tmp_path, "src/varve/extra/a.h", "\n")
    result = check(tmp_path)
    assert result.returncode == 1
    assert "extra has no layer" in result.stdout


def test_a_folder_without_a_readme_fails(tmp_path):
    write(tmp_path, "src/varve/base/a.h", "\n")
    (tmp_path / "src/varve/base/README.md").unlink()
    result = check(tmp_path)
    assert result.returncode == 1
    assert "no README.md" in result.stdout


def test_a_long_readme_fails(tmp_path):
    write(tmp_path, "src/varve/base/a.h", "\n")
    (tmp_path / "src/varve/base/README.md").write_text("line\n" * 20)
    assert check(tmp_path).returncode == 0
    (tmp_path / "src/varve/base/README.md").write_text("line\n" * 21)
    result = check(tmp_path)
    assert result.returncode == 1
    assert "longer than 20 lines" in result.stdout
