"""A fake S3 server, and TLS and proxy fronts for it, each on a free loopback port."""

import os
import ssl
import subprocess

import pytest
from s3_fronts import BIN, Front


@pytest.fixture
def fake_s3():
    """Port of a fake server with bucket 'fake', keys fakekey and fakesecret."""
    keys = {"AWS_ACCESS_KEY_ID": "fakekey", "AWS_SECRET_ACCESS_KEY": "fakesecret"}
    server = subprocess.Popen([BIN / "fake_s3"], stdout=subprocess.PIPE, text=True, env=keys)
    try:
        yield int(server.stdout.readline())
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def settings(tmp_path):
    """The environment of a user who has nothing but the fake's keys."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    return kept | {"AWS_ACCESS_KEY_ID": "fakekey", "AWS_SECRET_ACCESS_KEY": "fakesecret"}


@pytest.fixture
def front():
    made = []

    def make(*args, **kwargs):
        made.append(Front(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def certificate(tmp_path):
    """(certificate file, wrap function) for a self-signed certificate of the names given."""

    def make(names):
        key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2"]
            + ["-subj", "/CN=test", "-addext", f"subjectAltName={names}"],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return cert, lambda connection: context.wrap_socket(connection, server_side=True)

    return make
