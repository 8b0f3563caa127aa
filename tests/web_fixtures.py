"""A web server of this machine, which does what servers do, breaking off included."""

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Page:
    """What is at a path: bytes, or a redirect."""

    data: bytes = b""
    breaks_off_after: int | None = None
    redirect: str | None = None
    states_length: bool = True
    token: str | None = None
    drips: bool = False
    """Send the bytes one by one, over and over, as all of the answer."""

    raw: bytes | None = None
    """All of the answer, head included."""


@dataclass
class Server:
    """What is served, and what was asked for: path and headers, in order."""

    address: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def put(self, path, data=b"", **page):
        """Serve a page, and return its address."""
        self.pages[path] = Page(data, **page)
        return self.address + path


@pytest.fixture
def server(monkeypatch):
    """A web server at http://127.0.0.1."""
    for name in ("HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        http.state = Server(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http.state
        http.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Servers of tests are silent."""

    def do_GET(self):
        state = self.server.state
        state.requests.append((self.path, dict(self.headers)))
        page = state.pages.get(self.path)
        if page is None:
            self.send_error(404)
        elif page.token and self.headers.get("Authorization") != f"Bearer {page.token}":
            self.send_error(401)
        elif page.raw is not None:
            self.wfile.write(page.raw)
            self.close_connection = True
        elif page.redirect:
            self.send_response(302)
            self.send_header("Location", page.redirect)
            self.end_headers()
        else:
            with contextlib.suppress(ConnectionError):  # who asked has left
                self._drip(page) if page.drips else self._send(page)

    def _drip(self, page):
        for byte in itertools.cycle(page.data):
            self.wfile.write(bytes([byte]))
            time.sleep(0.01)

    def _send(self, page):
        self.send_response(200)
        if page.states_length:
            self.send_header("Content-Length", str(len(page.data)))
        self.end_headers()
        self.wfile.write(page.data[: page.breaks_off_after])
