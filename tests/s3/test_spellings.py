"""Goal: one lake is one lake, however it is spelled: what is alive under one spelling is alive under all.

Method: saves under each spelling of a place, a collection under each other; everything is read back.
"""

import json
import os
import time

import pytest
from s3_fronts import varve


def expect(settings, *words):
    done = varve(settings, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(spellings, tmp_path):
    """`spellings`: (settings, lake) of one place."""
    made = {}
    for number, (settings, lake) in enumerate(spellings):
        (tmp_path / "in").write_bytes(os.urandom(50_000) + bytes([number]))
        made[f"m{number}"] = (tmp_path / "in").read_bytes()
        expect(settings, "put", f"m{number}", str(tmp_path / "in"), "--lake", lake)
        expect(settings, "put", "gone", str(tmp_path / "in"), "--lake", lake)
    settings, lake = spellings[0]
    for version in range(1, len(spellings)):
        expect(settings, "forget", f"gone@v{version}", "--reason", "old", "--grace", "1s", "--lake", lake)
    time.sleep(1.1)  # Until then it may be brought back.
    seen = [json.loads(expect(settings, "gc", lake, "--grace", "0s", "--json")) for settings, lake in spellings]
    assert all(each["garbage"] == seen[0]["garbage"] and each["versions"] == seen[0]["versions"] for each in seen)
    assert all(each["artifacts"] == len(spellings) + 1 for each in seen)
    for settings, lake in spellings:
        expect(settings, "gc", lake, "--apply", "--force", "--grace", "0s")
        for name, data in made.items():
            out = tmp_path / "out"
            expect(settings, "get", name, str(out), "--lake", lake)
            assert (out / "in").read_bytes() == data
            (out / "in").unlink()
            out.rmdir()


def test_incident_20_one_place_spelled_in_six_ways_on_s3(fake_s3, tmp_path, settings):
    endpoint = f"http://127.0.0.1:{fake_s3}"
    other = [
        {"AWS_ENDPOINT_URL": endpoint}, {"AWS_ENDPOINT_URL": endpoint + "/"}, {"AWS_ENDPOINT_URL": f"http://localhost:{fake_s3}"},
        {"AWS_ENDPOINT_URL": f"HTTP://LOCALHOST:{fake_s3}"}, {"AWS_ENDPOINT_URL_S3": endpoint}, {"AWS_ENDPOINT_URL": endpoint},
    ]
    lakes = ["s3://fake/team/lake", "s3://fake/team/lake/", "s3://fake/team/lake", "s3://fake/team/lake", "s3://fake/team/lake/", "s3://fake/team//lake"]
    expect(settings | other[0], "init", lakes[0])
    spellings = []
    for extra, lake in zip(other, lakes):
        found = varve(settings | extra, "ls", lake)
        if found.returncode == 0:
            spellings.append((settings | extra, lake))
        else:  # Refused, rather than taken for another place.
            assert found.returncode in (2, 4), found.stderr
    assert len(spellings) >= 4
    check(spellings, tmp_path)
    # Case and escapes are other places, which have no lake: nothing is made or collected there.
    for lake in ("s3://fake/Team/lake", "s3://fake/team/lake2", "s3://fake/team", "s3://fake/team%2Flake"):
        assert varve(settings | other[0], "gc", lake, "--apply", "--force", "--grace", "0s").returncode in (2, 3, 4)


@pytest.mark.parametrize("linked", [False, True])
def test_incident_20_one_folder_spelled_in_six_ways(tmp_path, settings, linked):
    place = tmp_path / "team" / "lake"
    place.parent.mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(place if linked else place.parent)
    expect(settings, "init", str(place))
    spellings = [str(place), f"{place}/", f"{tmp_path}/team/./lake", f"{tmp_path}/other/../team/lake", f"{tmp_path}//team//lake", str(tmp_path / "link") if linked else f"{tmp_path}/link/lake"]
    check([(settings, each) for each in spellings], tmp_path)
