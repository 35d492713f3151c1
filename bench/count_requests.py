"""A proxy on loopback that passes bytes on and counts HTTP requests: `with Proxy(port) as proxy: ... proxy.requests`.

It reads only what it must of HTTP/1.1: the request line and the length of the body of each request on a connection.
"""

from __future__ import annotations

import socket
import threading


class Proxy:
    """Listens on `address` and passes on to 127.0.0.1:`port`; `requests` counts by method."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._lock = threading.Lock()
        self.requests: dict[str, int] = {}
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = client.recv(65536)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                fields = dict(
                    line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:] if b":" in line
                )
                method = head.split(b" ", 1)[0].decode()
                with self._lock:
                    self.requests[method] = self.requests.get(method, 0) + 1
                server.sendall(head + b"\r\n\r\n")
                if b"chunked" in fields.get(b"transfer-encoding", b""):
                    buffer = _pass_chunks(client, server, buffer)
                    continue
                left = int(fields.get(b"content-length", b"0"))
                while left:
                    data = buffer[:left] or client.recv(min(left, 1 << 20))
                    buffer = buffer[len(data) :] if buffer else b""
                    if not data:
                        return
                    server.sendall(data)
                    left -= len(data)
        except OSError:
            pass
        finally:
            _close(server)


def _pass_chunks(client: socket.socket, server: socket.socket, buffer: bytes) -> bytes:
    """Passes on a chunked body; returns what was read behind it."""

    def more() -> bytes:
        data = client.recv(1 << 20)
        if not data:
            raise OSError("cut short")
        return data

    while True:
        while b"\r\n" not in buffer:
            buffer += more()
        line, _, _ = buffer.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:  # Trailers end with an empty line.
            while b"\r\n\r\n" not in buffer:
                buffer += more()
            end = buffer.index(b"\r\n\r\n") + 4
            server.sendall(buffer[:end])
            return buffer[end:]
        needed = len(line) + 2 + size + 2
        while len(buffer) < needed:
            buffer += more()
        server.sendall(buffer[:needed])
        buffer = buffer[needed:]


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(1 << 20):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        _close(sink)


def _close(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
