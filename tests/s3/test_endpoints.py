"""Goal: a lake works at every form of endpoint, and a wrong setting is one line with its fix, soon.

Method: the command against the fake server, directly and behind TLS, IPv6 and proxy fronts; a wrong endpoint, bucket,
region, key and certificate, each timed.
"""

import contextlib
import socket
import time

import pytest
from s3_fronts import varve


def roundtrip(settings, tmp_path):
    (tmp_path / "in").write_bytes(b"weights" * 1000)
    for words in (["init", "s3://fake/lake"], ["--lake", "s3://fake/lake", "put", "m", str(tmp_path / "in")]):
        done = varve(settings, *words)
        assert done.returncode == 0, done.stderr
    done = varve(settings, "--lake", "s3://fake/lake", "get", "m", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    found = [path for path in (tmp_path / "out").rglob("*") if path.is_file()] or [tmp_path / "out"]
    assert found[0].read_bytes() == b"weights" * 1000


def refused_soon(settings, url, *says, verb="init"):
    """One line with the cause and the fix, in under 5 seconds; on a busy machine, in one of three tries."""
    for _ in range(3):
        started = time.monotonic()
        refused = varve(settings, verb, url)
        seconds = time.monotonic() - started
        assert refused.returncode not in (0, 15)
        assert all(words in refused.stderr.splitlines()[0] for words in says), refused.stderr
        assert "CANARY" not in refused.stderr + refused.stdout
        assert len(refused.stderr.splitlines()) <= 2, refused.stderr  # The second says what the kind of error means.
        if seconds < 5:
            return refused.stderr
    raise AssertionError(f"{seconds:.1f} s: {refused.stderr}")


def test_an_authority_of_ones_own(fake_s3, settings, tmp_path, front, certificate):
    cert, wrap = certificate("DNS:localhost,IP:127.0.0.1")
    tls = front(fake_s3, wrap)
    settings["AWS_ENDPOINT_URL"] = f"https://127.0.0.1:{tls.port}"
    refused = varve(settings, "init", "s3://fake/lake", timeout=10)
    assert refused.returncode != 0 and "set AWS_CA_BUNDLE" in refused.stderr
    settings["AWS_CA_BUNDLE"] = str(cert)
    roundtrip(settings, tmp_path)


@pytest.mark.parametrize(
    ("names", "expired", "says"),
    [("DNS:elsewhere.example", False, "set AWS_ENDPOINT_URL"), ("DNS:localhost", True, "set this machine's clock")],
)
def test_a_certificate_that_does_not_fit(fake_s3, settings, front, certificate, names, expired, says):
    cert, wrap = certificate(names, expired)
    settings["AWS_CA_BUNDLE"] = str(cert)
    settings["AWS_ENDPOINT_URL"] = f"https://localhost:{front(fake_s3, wrap).port}"
    refused_soon(settings, "s3://fake/lake", "certificate", says)


def test_no_downgrade_of_tls(fake_s3, settings, front):
    plain = front(fake_s3)
    settings["AWS_ENDPOINT_URL"] = f"https://127.0.0.1:{plain.port}"
    refused_soon(settings, "s3://fake/lake", "https or http")


def test_ipv6(fake_s3, settings, tmp_path, front):
    try:
        six = front(fake_s3, family=socket.AF_INET6, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    settings["AWS_ENDPOINT_URL"] = f"http://[::1]:{six.port}"
    roundtrip(settings, tmp_path)


@pytest.mark.parametrize("addressing", ["virtual", "path"])
@pytest.mark.parametrize("login", [None, "user:CANARYpassword"])
def test_a_proxy_carries_a_lake_of_either_addressing(fake_s3, settings, tmp_path, proxy, addressing, login):
    through = proxy(fake_s3, login)
    settings["AWS_ENDPOINT_URL"] = "http://s3.example"  # No such name: only the proxy knows where it is.
    settings["VARVE_S3_ADDRESSING"] = addressing
    settings["http_proxy"] = f"http://127.0.0.1:{through.port}"
    if login:
        refused = refused_soon(settings, "s3://fake/lake", "check http_proxy")
        assert through.requests == 0, refused
        settings["http_proxy"] = f"http://{login}@127.0.0.1:{through.port}"
    roundtrip(settings, tmp_path)
    assert through.requests > 10


@pytest.mark.parametrize("addressing", ["virtual", "path"])
def test_a_proxy_tunnels_tls(fake_s3, settings, tmp_path, front, certificate, proxy, addressing):
    cert, wrap = certificate("DNS:s3.example,DNS:*.s3.example")
    through = proxy(front(fake_s3, wrap).port)
    settings |= {"AWS_ENDPOINT_URL": "https://s3.example", "AWS_CA_BUNDLE": str(cert), "VARVE_S3_ADDRESSING": addressing}
    settings["https_proxy"] = f"http://127.0.0.1:{through.port}"
    roundtrip(settings, tmp_path)
    assert through.tunnels > 0 and through.requests == 0


def test_a_proxy_that_refuses_a_tunnel(fake_s3, settings, proxy):
    settings["AWS_ENDPOINT_URL"] = "https://s3.example"
    settings["https_proxy"] = f"http://user:CANARYwrong@127.0.0.1:{proxy(fake_s3, 'user:right').port}"
    refused_soon(settings, "s3://fake/lake", "check https_proxy")


def test_a_clock_that_is_an_hour_behind(fake_s3_ahead, settings, tmp_path):
    settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{fake_s3_ahead}"
    roundtrip(settings, tmp_path)  # The server says what time it is.


WRONG = {
    "endpoint": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "s3://fake/lake", "check the endpoint"),
    "host": ({"AWS_ENDPOINT_URL": "http://no-such-host.invalid"}, "s3://fake/lake", "check the endpoint"),
    "scheme": ({"AWS_ENDPOINT_URL": "127.0.0.1:9"}, "s3://fake/lake", "check AWS_ENDPOINT_URL"),
    "bucket": ({}, "s3://other/lake", "create it or check its name"),
    "region": ({"AWS_REGION": "mars-1"}, "s3://fake/lake", "set AWS_REGION"),
    "key": ({"AWS_ACCESS_KEY_ID": "nobody"}, "s3://fake/lake", "check AWS_ACCESS_KEY_ID"),
    "secret": ({"AWS_SECRET_ACCESS_KEY": "CANARYwrong"}, "s3://fake/lake", "check AWS_SECRET_ACCESS_KEY"),
    "profile": ({"AWS_PROFILE": "nobody"}, "s3://fake/lake", "check AWS_PROFILE"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_setting_is_one_line_with_its_fix(fake_s3, settings, what):
    changed, url, fix = WRONG[what]
    settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{fake_s3}"
    refused_soon(settings | changed, url, fix)


def test_a_port_that_takes_connections_and_says_nothing(settings):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for verb in ("init", "ls"):
            refused_soon(settings, "s3://fake/lake", "check the endpoint", verb=verb)


def test_an_address_that_never_answers(settings):
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(3):  # Its queue is full; who comes now hears nothing.
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{hole.getsockname()[1]}"
        refused_soon(settings, "s3://fake/lake", "check the endpoint")
