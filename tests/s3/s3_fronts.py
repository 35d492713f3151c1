"""The command under test, a front that passes connections on to a server, and a proxy."""

import base64
import contextlib
import re
import socket
import subprocess
import threading
from pathlib import Path

BIN = Path(__file__).parents[2] / "build" / "release" / "bin"


def varve(settings, *words, timeout=60):
    return subprocess.run([BIN / "varve", *words], env=settings, capture_output=True, text=True, timeout=timeout)


class Listener:
    """Accepts connections on loopback until it is closed; each is served by `serve` in a thread of its own."""

    def __init__(self, family=socket.AF_INET, host="127.0.0.1"):
        self.connections = 0
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

    def close(self):
        self.listener.close()


class Proxy(Listener):
    """An HTTP proxy that leads every name to one port, also through CONNECT; with `login`, only who gives it passes."""

    def __init__(self, port, login=None):
        self.target, self.login, self.requests, self.tunnels = port, login, 0, 0
        super().__init__()

    def serve(self, client):
        with contextlib.suppress(OSError, ValueError, AttributeError), client, client.makefile("rb") as asked:
            while line := asked.readline().decode():
                fields = read_fields(asked)
                method, target, _ = line.split()
                given = fields.pop("proxy-authorization", None)
                if self.login and given != "Basic " + base64.b64encode(self.login.encode()).decode():
                    client.sendall(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
                    continue
                server = socket.create_connection(("127.0.0.1", self.target))
                if method == "CONNECT":
                    self.tunnels += 1
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    threading.Thread(target=Front.copy, args=(server, client), daemon=True).start()
                    Front.copy(client, server)
                    return
                self.requests += 1
                with server, server.makefile("rb") as told:
                    path = re.fullmatch("http://[^/]+(/.*)", target)[1]
                    body = asked.read(int(fields.get("content-length", 0)))
                    server.sendall(f"{method} {path} HTTP/1.1\r\n{write_fields(fields)}\r\n".encode() + body)
                    status = told.readline()
                    answer = read_fields(told)
                    client.sendall(status + f"{write_fields(answer)}\r\n".encode())
                    if method != "HEAD":
                        client.sendall(told.read(int(answer.get("content-length", 0))))


def read_fields(stream):
    fields = {}
    while (line := stream.readline().decode("latin-1").strip()):
        name, value = line.split(":", 1)
        fields[name.lower()] = value.strip()
    return fields


def write_fields(fields):
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items())


class Front(Listener):
    """Accepts connections and passes their bytes on to a port; `wrap` may put TLS before them."""

    def __init__(self, port, wrap=None, family=socket.AF_INET, host="127.0.0.1"):
        self.target, self.wrap = port, wrap
        super().__init__(family, host)

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
