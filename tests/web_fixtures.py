"""A web server of this machine, which does what servers do, breaking off included."""

import contextlib
import itertools
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Page:
    """What is at a path: bytes that a tag stands for, or a redirect."""

    data: bytes = b""
    etag: str | None = '"one"'
    breaks_off_after: int | None = None
    num_breaks: int = 0
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

    @property
    def ranges(self):
        """The parts that were asked for, in order; None is the whole."""
        return [headers.get("Range") for _, headers in self.requests]


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
        begin = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.headers.get("If-Range") == page.etag:
            begin = int(asked[1])
        if begin and begin >= len(page.data):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if page.etag:
            self.send_header("ETag", page.etag)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(page.data) - 1}/*")
        data = page.data[begin:]
        if page.states_length:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if page.num_breaks:
            page.num_breaks -= 1
            data = data[: page.breaks_off_after]
        self.wfile.write(data)
