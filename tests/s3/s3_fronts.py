"""The command under test, and a front that passes connections on to a server."""

import socket
import subprocess
import threading
from pathlib import Path

BIN = Path(__file__).parents[2] / "build" / "release" / "bin"


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
