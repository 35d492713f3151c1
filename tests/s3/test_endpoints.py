"""Goal: a lake works at every form of endpoint, and a wrong setting is one line with its fix, soon.

Method: the command against the fake server, directly and behind TLS, IPv6 and proxy fronts; a wrong endpoint, bucket,
region, key and certificate, each timed.
"""

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


def test_an_authority_of_ones_own(fake_s3, settings, tmp_path, front, certificate):
    cert, wrap = certificate("DNS:localhost,IP:127.0.0.1")
    tls = front(fake_s3, wrap)
    settings["AWS_ENDPOINT_URL"] = f"https://127.0.0.1:{tls.port}"
    refused = varve(settings, "init", "s3://fake/lake", timeout=10)
    assert refused.returncode != 0 and "set AWS_CA_BUNDLE" in refused.stderr
    settings["AWS_CA_BUNDLE"] = str(cert)
    roundtrip(settings, tmp_path)


def test_a_certificate_of_another_name(fake_s3, settings, front, certificate):
    cert, wrap = certificate("DNS:elsewhere.example")
    settings["AWS_CA_BUNDLE"] = str(cert)
    settings["AWS_ENDPOINT_URL"] = f"https://localhost:{front(fake_s3, wrap).port}"
    refused = varve(settings, "init", "s3://fake/lake", timeout=10)
    assert refused.returncode != 0 and "certificate" in refused.stderr


def test_ipv6(fake_s3, settings, tmp_path, front):
    try:
        six = front(fake_s3, family=socket.AF_INET6, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    settings["AWS_ENDPOINT_URL"] = f"http://[::1]:{six.port}"
    roundtrip(settings, tmp_path)


def test_a_proxy_of_the_environment(fake_s3, settings, tmp_path, front):
    proxy = front(fake_s3)  # Whatever host is asked for: the fake answers, so only a proxy explains success.
    settings["http_proxy"] = f"http://127.0.0.1:{proxy.port}"
    settings["AWS_ENDPOINT_URL"] = "http://s3.example:80"
    settings["VARVE_S3_ADDRESSING"] = "path"
    varve(settings, "init", "s3://fake/lake", timeout=20)
    assert proxy.connections > 0


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
    started = time.monotonic()
    refused = varve(settings | changed, "init", url)
    seconds = time.monotonic() - started
    assert refused.returncode not in (0, 15)
    assert fix in refused.stderr and "CANARY" not in refused.stderr + refused.stdout
    assert len(refused.stderr.strip().splitlines()) <= 2, refused.stderr
    print(f"{what}: {seconds:.1f} s")
