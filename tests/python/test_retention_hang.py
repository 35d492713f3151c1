"""Goal: a store that never answers what retention asks holds up no save.

Method: a real S3 server behind a proxy that keeps silent on listings of heads, which retention asks for and a save does
not; every save is committed while it is silent, and retention goes on once it speaks.
"""

import http.client
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from test_retention import checkpointer, rows

import varve


class Proxy:
    """Hands every request on, but for listings of heads while `speaks` is not set; `asked` is set by the first of them."""

    def __init__(self, upstream):
        self.speaks, self.asked = threading.Event(), threading.Event()
        proxy, netloc = self, urlsplit(upstream).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self):
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                if "list-type=2" in self.path and "ref%2Fb" in self.path and not proxy.speaks.is_set():
                    proxy.asked.set()
                    proxy.speaks.wait()
                if self.headers.get("Expect", "").lower() == "100-continue":
                    self.send_response_only(100)
                    self.end_headers()
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upward = http.client.HTTPConnection(netloc)
                upward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("expect", "connection"):
                        upward.putheader(name, value)
                upward.endheaders(body or None)
                reply = upward.getresponse()
                answer = reply.read()
                self.send_response_only(reply.status, reply.reason)
                for name, value in reply.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(name, value)
                length = reply.getheader("Content-Length") if self.command == "HEAD" else len(answer)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(answer)
                upward.close()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def behind_a_proxy(s3_lake, monkeypatch):
    proxy = Proxy(os.environ["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    yield s3_lake, proxy
    proxy.speaks.set()
    proxy.server.shutdown()


def test_a_store_that_hangs_for_retention_holds_up_no_save(behind_a_proxy, monkeypatch):
    url, proxy = behind_a_proxy
    with varve.open(url) as lake:
        saves, _ = checkpointer(lake, "last 2")
        for step in range(1, 5):
            saves.save(step)
            assert saves.last.result(60).version == step, "committed while retention waits"
        assert proxy.asked.wait(60) and not proxy.speaks.is_set()
        assert rows(lake) == {1: [], 2: [], 3: [], 4: []}
        monkeypatch.setattr("varve.torch._CLOSE_WAIT_S", 0.1)
        with pytest.warns(RuntimeWarning, match="did not end within"):
            saves.close()
        proxy.speaks.set()
        saves._keeper.wait()
        saves.save(5).result(60)
        saves._keeper.wait()
        assert rows(lake) == {1: "gone", 2: "gone", 3: "gone", 4: [], 5: []}
