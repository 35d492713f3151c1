"""Goal: a secret that Varve was given appears in nothing that it prints.

Method: every source of credentials gets a secret with a mark in it; verbs that succeed and verbs that fail in many ways
run with and without --json; standard output, standard error and the folder they ran in must not hold the mark.
"""

import json

import pytest
from s3_fronts import varve

MARK = "CANARY0secret0CANARY"


def sources(tmp_path):
    process = tmp_path / "process"
    keys = {"Version": 1, "AccessKeyId": "fakekey", "SecretAccessKey": MARK, "SessionToken": MARK}
    process.write_text(json.dumps(keys))
    (tmp_path / "files").write_text(
        f"[default]\naws_access_key_id = fakekey\naws_secret_access_key = {MARK}\naws_session_token = {MARK}\n"
    )
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {process}\n")
    (tmp_path / "broken").write_text(f"[default]\ncredential_process = sh -c 'echo {MARK}; echo {MARK} >&2; exit 1'\n")
    (tmp_path / "token").write_text(MARK)
    return {
        "environment": {"AWS_ACCESS_KEY_ID": "fakekey", "AWS_SECRET_ACCESS_KEY": MARK, "AWS_SESSION_TOKEN": MARK},
        "unprintable": {"AWS_ACCESS_KEY_ID": "fakekey", "AWS_SECRET_ACCESS_KEY": MARK + "\x01"},
        "half": {"AWS_SECRET_ACCESS_KEY": MARK},
        "file": {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "files")},
        "process": {"AWS_CONFIG_FILE": str(tmp_path / "config")},
        "broken": {"AWS_CONFIG_FILE": str(tmp_path / "broken")},
        "web": {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
            "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
        },
        "container": {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{MARK}@example.com/",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": MARK,
        },
        "endpoint": {"AWS_ENDPOINT_URL": f"http://user:{MARK}@127.0.0.1:1"},
        "customer-key": {"VARVE_S3_SSE_C_KEY": MARK},
    }


NAMES = ["environment", "unprintable", "half", "file", "process", "broken", "web", "container", "endpoint"]


@pytest.mark.parametrize("name", [*NAMES, "customer-key"])
def test_no_secret_is_ever_printed(fake_s3, tmp_path, settings, name):
    for given in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        settings.pop(given)
    settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{fake_s3}"
    settings |= sources(tmp_path)[name]
    for words in (["init", "s3://fake/lake"], ["--json", "ls", "s3://fake/lake"]):
        done = varve(settings, *words)
        assert done.returncode != 0, "the fake's secret is another"
        assert done.stderr
        assert "CANARY" not in done.stdout + done.stderr
