"""A fake S3 server, and TLS and proxy fronts for it, each on a free loopback port."""

import contextlib
import os
import ssl
import subprocess

import pytest
from s3_fronts import BIN, Front, Proxy


@contextlib.contextmanager
def running_fake(**extra):
    keys = {"AWS_ACCESS_KEY_ID": "fakekey", "AWS_SECRET_ACCESS_KEY": "fakesecret"}
    server = subprocess.Popen([BIN / "fake_s3"], stdout=subprocess.PIPE, text=True, env=keys | extra)
    try:
        yield int(server.stdout.readline())
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def fake_s3():
    """Port of a fake server with bucket 'fake', keys fakekey and fakesecret."""
    with running_fake() as port:
        yield port


@pytest.fixture
def fake_s3_ahead():
    """The same, with a clock that is an hour ahead."""
    with running_fake(FAKE_S3_CLOCK_S="3600") as port:
        yield port


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
def proxy():
    made = []

    def make(*args, **kwargs):
        made.append(Proxy(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.close()


CA = """[ca]
default_ca = own
[own]
database = {0}/index
serial = {0}/serial
new_certs_dir = {0}
default_md = sha256
policy = any
[any]
commonName = supplied
[names]
subjectAltName = {1}
"""


@pytest.fixture
def certificate(tmp_path):
    """(certificate file, wrap function) for a self-signed certificate of the names given, valid from now or in 2020 only."""

    def make(names, expired=False):
        key, asked, cert, conf = (tmp_path / name for name in ("key.pem", "asked.pem", "cert.pem", "conf"))
        conf.write_text(CA.format(tmp_path, names))
        (tmp_path / "index").touch()
        (tmp_path / "serial").write_text("01")
        run = {"check": True, "capture_output": True}
        subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", asked, "-subj", "/CN=test"], **run)
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"] if expired else ["-days", "2"]
        sign = ["openssl", "ca", "-batch", "-selfsign", "-config", conf, "-extensions", "names", *dates]
        subprocess.run([*sign, "-keyfile", key, "-in", asked, "-out", cert], **run)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return cert, lambda connection: context.wrap_socket(connection, server_side=True)

    return make
