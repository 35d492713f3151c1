"""Goal: kill -9 at any moment of an upload in parts, or of a download, loses nothing and shows nothing by half; the upload is
taken up where it was.

Method: the transfer layer's own command moves a large and a small file to and from a fake server in a process of its own;
uploads are killed at random moments of their lives until one ends, then fetched, with gets that are killed, too, and compared
byte by byte. What was sent is counted by the server's own word on the parts. VARVE_CRASH_ROUNDS of each are hit;
VARVE_CRASH_SEED repeats a run's choices.
"""

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

BIN = Path(__file__).parent.parent.parent / "build" / "release" / "bin"
ROUNDS = int(os.environ.get("VARVE_CRASH_ROUNDS", "8"))
SEED = int(os.environ.get("VARVE_CRASH_SEED", random.SystemRandom().randrange(1 << 32)))
KILLS_MAX = 5  # Of one upload; the next try is left alone.


@pytest.fixture
def server():
    keys = {"AWS_ACCESS_KEY_ID": "fakekey", "AWS_SECRET_ACCESS_KEY": "fakesecret"}
    process = subprocess.Popen([BIN / "fake_s3"], stdout=subprocess.PIPE, text=True, env=keys)
    yield {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": f"http://127.0.0.1:{process.stdout.readline().strip()}", **keys}
    process.terminate()
    process.wait()


def files(number):
    """A new length each time, so that nothing of the upload before fits."""
    chance = random.Random(number)
    return {"large.bin": chance.randbytes(40_000_000 + number), "small.bin": chance.randbytes(chance.randrange(100_000))}


def moved(settings, words, kill_after_s=None):
    """Whether the command ended by itself; an error that is not our kill fails the test."""
    process = subprocess.Popen([BIN / "s3_files", *words], env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        process.kill()
    errors = process.communicate(timeout=120)[1]
    assert process.returncode in (0, -9), errors
    return process.returncode == 0


def test_kill_9_of_an_upload_in_parts_and_of_a_download(server, tmp_path):
    print(f"VARVE_CRASH_SEED={SEED}")
    chance = random.Random(SEED)
    killed, resumed, number, put_s, get_s = {"put": 0, "get": 0}, 0, 0, 0.3, 0.3
    while min(killed.values()) < ROUNDS:
        number += 1
        assert number < 3 * ROUNDS + 10, f"too few were hit: {killed}"
        source, sink, records = (tmp_path / name for name in ("from", "to", "records"))
        for folder in (source, sink, records):
            subprocess.run(["rm", "-rf", folder], check=True)
            folder.mkdir()
        wanted = files(number)
        for name, data in wanted.items():
            (source / name).write_bytes(data)
        url = f"s3://fake/kill-{number}"
        put = ["--part-mib", "5", "--resume", str(records), "put", str(source), url]
        for attempt in range(KILLS_MAX + 1):
            resumed += any(b"\npart " in record.read_bytes() for record in records.iterdir())
            began = time.monotonic()
            if moved(server, put, chance.uniform(0, put_s) if attempt < KILLS_MAX else None):
                put_s = time.monotonic() - began
                break
            killed["put"] += 1
        assert list(records.iterdir()) == [], "a record outlived its upload"
        for attempt in range(KILLS_MAX + 1):
            began = time.monotonic()
            done = moved(server, ["--part-mib", "5", "get", url, str(sink)], chance.uniform(0, get_s) if attempt < KILLS_MAX else None)
            for name, data in wanted.items():
                assert not (sink / name).exists() or (sink / name).read_bytes() == data, "it appeared by half"
            if done:
                get_s = time.monotonic() - began
                break
            killed["get"] += 1
        assert all((sink / name).exists() for name in wanted)
    assert resumed > 0 or ROUNDS < 4, "no upload was taken up"
    print(f"killed: {killed} of {number} uploads and downloads, {resumed} times with parts to take up")
