"""A fake S3 server, and TLS and proxy fronts for it, each on a free loopback port."""

import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = ROOT / "build" / "release" / "bin"


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


def varve(settings, *words, timeout=60):
    return subprocess.run([BIN / "varve", *words], env=settings, capture_output=True, text=True, timeout=timeout)


class Front:
    """Accepts connections and passes their bytes on to a port; `wrap` may put TLS before them."""

    def __init__(self, port, wrap=None, family=socket.AF_INET, host="127.0.0.1"):
        self.target, self.wrap, self.connections = port, wrap, 0
        self.listener = socket.create_server((host, 0), family=family)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            client = self.wrap(client) if self.wrap else client
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        back = threading.Thread(target=self.copy, args=(server, client), daemon=True)
        back.start()
        self.copy(client, server)
        back.join()

    @staticmethod
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


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
