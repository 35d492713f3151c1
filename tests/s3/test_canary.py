"""Goal: a secret that Varve was given appears in nothing that it prints.

Method: every source of credentials gets a secret with a mark in it; verbs that succeed and verbs that fail in many ways
run with and without --json; standard output, standard error and the folder they ran in must not hold the mark.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from s3_fronts import BIN, varve

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


VERBS = [["init", "s3://fake/lake"], ["--json", "ls", "s3://fake/lake"], ["doctor", "s3://fake/lake"], ["doctor", "s3://fake/lake", "--json"]]
NAMES = ["environment", "unprintable", "half", "file", "process", "broken", "web", "container", "endpoint"]


@pytest.mark.parametrize("name", [*NAMES, "customer-key"])
def test_no_secret_is_ever_printed(fake_s3, tmp_path, settings, name):
    for given in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        settings.pop(given)
    settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{fake_s3}"
    settings |= sources(tmp_path)[name]
    for words in VERBS:
        done = varve(settings, *words)
        assert done.returncode != 0, "the fake's secret is another"
        assert done.stderr
        assert "CANARY" not in done.stdout + done.stderr


class Quoting(BaseHTTPRequestHandler):
    """Refuses everything, and quotes in every place what it was sent."""

    status, code, location = 403, "Odd", None

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        quoted = " ".join(self.headers.values())
        body = f"<Error><Code>{self.code}</Code><Message>{quoted}</Message><Region>{quoted}</Region></Error>".encode()
        self.send_response(self.status)
        self.send_header("x-amz-request-id", self.headers.get("x-amz-security-token"))
        if self.location:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("status", "code"), [(403, "Odd"), (400, "InvalidToken"), (500, "Odd"), (307, "TemporaryRedirect"), (301, "Moved")])
def test_a_server_that_quotes_its_requests_or_leads_away(settings, front, status, code):
    elsewhere = front(9)
    location = f"http://user:{MARK}@127.0.0.1:{elsewhere.port}/x?X-Amz-Signature={MARK}"
    kind = type("Quoting", (Quoting,), {"status": status, "code": code, "location": location if status < 400 else None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_SESSION_TOKEN": MARK, "AWS_SECRET_ACCESS_KEY": MARK}
    for words in VERBS:
        done = varve(settings, *words)
        assert done.returncode != 0 and done.stderr
        assert "CANARY" not in done.stdout + done.stderr
    assert elsewhere.connections == 0
    server.shutdown()


@pytest.mark.parametrize("death", [signal.SIGABRT, signal.SIGSEGV])
def test_a_crash_tells_no_secret_and_leaves_no_core(settings, tmp_path, death):
    settings |= {"AWS_SECRET_ACCESS_KEY": MARK, "AWS_SESSION_TOKEN": MARK}
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(20)
        settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        dumped = {}
        for core in ("", "1"):
            crashing = subprocess.Popen(
                [BIN / "varve", "ls", "s3://fake/lake"], cwd=tmp_path, env=settings | ({"VARVE_CORE": core} if core else {}),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=allow_cores,
            )
            silent.accept()[0].recv(1 << 16)  # It has its keys, and has signed with them.
            crashing.send_signal(death)
            said = crashing.stdout.read()
            _, status = os.waitpid(crashing.pid, 0)
            dumped[core] = os.WCOREDUMP(status)
            assert os.WTERMSIG(status) == death
            assert b"CANARY" not in said
    assert not dumped[""]
    if not dumped["1"]:
        pytest.skip("this machine writes no cores at all")


def allow_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
