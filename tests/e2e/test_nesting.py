"""Goal: no lake is made inside of another, nor around one: the collector of the outer one would take the inner for litter.

Method: the command, on a folder and on a real S3 server; places beside a lake stay free.
"""

import os
import subprocess
from pathlib import Path

import pytest

VARVE = Path(__file__).parent.parent.parent / "build" / "release" / "bin" / "varve"


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "top")
    server = request.getfixturevalue("s3_server")
    return f"{server['VARVE_TEST_S3']}-nesting"


def init(where):
    return subprocess.run([VARVE, "init", where], capture_output=True, text=True, env={**os.environ})


def test_a_lake_is_not_made_inside_of_another_nor_around_one(place):
    assert init(f"{place}/team/lake").returncode == 0
    for inner in ("inner", "a/b/c", "pack", "ref/b"):
        refused = init(f"{place}/team/lake/{inner}")
        assert refused.returncode == 2, refused.stdout + refused.stderr
        assert f"inside of the lake at {place}/team/lake;" in refused.stderr
        assert not Path(f"{place}/team/lake/{inner}/lake.json").exists()
    for outer in (f"{place}/team", place):
        refused = init(outer)
        assert refused.returncode == 2, refused.stdout + refused.stderr
        assert "choose an empty prefix" in refused.stderr
    for beside in ("team/lake-2", "team/beside", "team/lak"):
        assert init(f"{place}/{beside}").returncode == 0


def test_a_link_into_a_lake_is_inside_of_it(tmp_path):
    assert init(tmp_path / "lake").returncode == 0
    (tmp_path / "lake" / "inner").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "lake" / "inner")
    refused = init(tmp_path / "link")
    assert refused.returncode == 2 and "inside of the lake at" in refused.stderr
