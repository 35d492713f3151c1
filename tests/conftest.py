"""Fixtures shared by all tests: lakes in fresh folders, and one real S3 server per run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "python"))


@pytest.fixture
def lake(tmp_path):
    import varve

    with varve.open(tmp_path / "lake", create=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """Environment of a running Ceph RGW with a bucket; VARVE_TEST_S3 is s3://bucket/prefix."""
    folder = tmp_path_factory.mktemp("rgw")
    port = 7480 + os.getpid() % 500
    started = subprocess.run([ROOT / "tools" / "rgw.sh", "start", folder, str(port)], capture_output=True, text=True)
    assert started.returncode == 0, started.stdout + started.stderr
    settings = dict(line.removeprefix("export ").split("=", 1) for line in (folder / "env").read_text().splitlines())
    previous = {key: os.environ.get(key) for key in settings}
    os.environ.update(settings)
    yield settings
    for key, value in previous.items():
        os.environ.pop(key, None) if value is None else os.environ.__setitem__(key, value)
    subprocess.run([ROOT / "tools" / "rgw.sh", "stop", folder], check=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def s3_lake(s3_server, request):
    """URL of a fresh lake on the real S3 server."""
    import varve

    url = f"{s3_server['VARVE_TEST_S3']}/{abs(hash(request.node.nodeid))}"
    varve.init(url)
    return url
