"""Reading from the web: https alone, redirects followed a few times and never to anything less.

What is read, and where it is kept, is for others: models in `impasto.zoo.download`, pictures in
`impasto.batch`. Plain http is for servers of this machine, such as those of tests.
"""

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from functools import partial
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from impasto.errors import DownloadError
from impasto.system.visible_text import one_line

MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 30.0
"""Without a byte for so long, a server counts as gone."""

CHUNK_BYTES = 2**18
_MAX_HEAD_BYTES = 2**20
"""Of what a server says before what was asked for."""

OnProgress = Callable[[int, int | None], None]
"""Called with the number of bytes received, and of all if the server states it."""

Response = http.client.HTTPResponse
_TRANSPORT_ERRORS = (OSError, http.client.HTTPException)
"""What a connection raises that cannot be made, or breaks off."""


class DeadlineError(TimeoutError):
    """A server that has taken too long in all, however many bytes it sends."""


class Deadline:
    """The time by which all must be there, redirects included.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds to wait for the next byte.

        Raises:
            DeadlineError: none are left.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise DeadlineError(f"it takes longer than {self._seconds:g} seconds")
        # Not 0, which would make the socket non-blocking.
        return max(0.001, min(TIMEOUT_SECONDS, seconds))


def is_web_address(text: str) -> bool:
    """Whether a text is meant as an address of the web, sound or not."""
    return text.lower().startswith(("https://", "http://"))


def shown_address(address: str) -> str:
    """An address for messages: without query, which may hold a key, and printable."""
    try:
        parts = urlsplit(address)
        text = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:  # a host that is none
        text = re.sub(r"(?<=//)[^/]*@", "", re.split("[?#]", address)[0])
    return text if text.isprintable() else ascii(text)[1:-1]


def check_address(address: str) -> None:
    """Refuse an address that `read_address` would refuse unasked.

    Raises:
        DownloadError: it is of another kind, or makes no sense.
    """
    if not _is_allowed(address):
        raise DownloadError(
            f"{shown_address(address)}: expected an address that begins with https:// and names a "
            f"server, without a password; http:// is for servers of this machine"
        )


def read_address(
    address: str,
    *,
    max_bytes: int,
    seconds: float,
    headers: dict[str, str] | None = None,
    on_progress: OnProgress | None = None,
) -> bytes:
    """What is at an address, all of it, by a GET request.

    Args:
        address: https, or http to this machine; a fragment is not sent.
        max_bytes: the most that is read, whatever length the server states.
        seconds: by which it must be there.
        headers: sent along; `Authorization` stays with the first server.
        on_progress: called after each part.

    Raises:
        DownloadError: an address of another kind, no connection, an error of the server,
            redirects that are too many or lead elsewhere, a page that is larger, or a connection
            that breaks off.
    """
    shown = shown_address(address)
    parts, num_bytes = [], 0
    limits = _Limits(shown, max_bytes, Deadline(seconds))
    with _open_address(address, limits, headers or {}) as response:
        expected = _stated_length(response)
        if expected is not None and expected > max_bytes:
            raise _too_large(shown, max_bytes)
        try:
            # `read1` returns what has come; `read` would wait for a whole chunk, without progress.
            while part := response.read1(CHUNK_BYTES):
                parts.append(part)
                num_bytes += len(part)
                if num_bytes > max_bytes:
                    raise _too_large(shown, max_bytes)
                if on_progress is not None:
                    on_progress(num_bytes, expected)
        except DownloadError:
            raise
        except (*_TRANSPORT_ERRORS, ValueError) as error:
            raise DownloadError(
                f"{shown}: the connection broke off ({_reason_of(error)}); try again"
            ) from None
    # http.client does not tell `read1` of a body that is cut short.
    if expected is not None and expected != num_bytes:
        raise DownloadError(
            f"{shown}: the connection broke off after {num_bytes} of {expected} bytes; try again"
        )
    return b"".join(parts)


def _open_address(address: str, limits: "_Limits", headers: dict[str, str]) -> Response:
    check_address(address)
    shown = limits.shown
    try:
        request = urllib.request.Request(address.partition("#")[0], headers=headers)
        opener = _opener(address, limits)
        response: Response = opener.open(request, timeout=limits.deadline.left())
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{shown}: {_meaning(error)}") from None
    except DownloadError:
        raise
    except DeadlineError as error:
        raise DownloadError(f"{shown}: the server is too slow ({error}); try again") from None
    except (*_TRANSPORT_ERRORS, ValueError) as error:
        raise DownloadError(
            f"{shown}: there is no connection ({_reason_of(error)}); "
            f"check the address and the network"
        ) from None
    return response


def _stated_length(response: Response) -> int | None:
    """How many bytes a server says it sends; None where it says nothing that makes sense."""
    match = re.fullmatch(r"\s*([0-9]{1,18})\s*", response.headers.get("Content-Length", ""), re.A)
    return int(match[1]) if match else None


def _reason_of(error: BaseException) -> str:
    """What a connection's error says, in a few words."""
    inner = getattr(error, "reason", error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {inner.verify_message}"
    if isinstance(inner, TimeoutError) and not isinstance(inner, DeadlineError):
        return f"no answer for {TIMEOUT_SECONDS:g} seconds"
    return one_line(inner, max_letters=200)


def _too_large(shown: str, max_bytes: int) -> DownloadError:
    return DownloadError(
        f"{shown}: there are more than {max_bytes} bytes there, which is the most that is read; "
        f"check the address"
    )


class _Limits:
    """What one response may take, and what messages call it."""

    def __init__(self, shown: str, max_bytes: int, deadline: Deadline) -> None:
        self.shown, self.max_bytes, self.deadline = shown, max_bytes, deadline


class _LimitedReader(io.RawIOBase):
    """What comes through a socket, within limits; its own timeout begins anew with each byte."""

    def __init__(self, connection: socket.socket, reader: io.BufferedReader, limits: _Limits):
        self._socket, self._reader, self._limits = connection, reader, limits
        self._num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._limits.deadline.left())
        try:
            num_bytes = self._reader.raw.readinto(buffer) or 0
        except TimeoutError:
            self._limits.deadline.left()  # raises if it is that
            raise
        # Counted at the socket, whatever the headers state: a chunk of length -1 has http.client
        # read without end.
        self._num_bytes += num_bytes
        if self._num_bytes > self._limits.max_bytes + _MAX_HEAD_BYTES:
            raise _too_large(self._limits.shown, self._limits.max_bytes)
        return num_bytes

    def close(self) -> None:
        self._reader.close()
        super().close()


class _LimitedResponse(http.client.HTTPResponse):
    """A response that is read within limits, from its first line on."""

    def __init__(self, sock: socket.socket, *args: Any, limits: _Limits, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        self.fp = io.BufferedReader(_LimitedReader(sock, self.fp, limits))


def _connection(
    kind: type[http.client.HTTPConnection], limits: _Limits, host: str, **settings: Any
) -> http.client.HTTPConnection:
    connection = kind(host, **settings | {"timeout": limits.deadline.left()})
    connection.response_class = partial(  # type: ignore[assignment]
        _LimitedResponse, limits=limits
    )
    return connection


class _Handler(urllib.request.AbstractHTTPHandler):
    """Makes connections whose responses are read within limits."""

    def __init__(self, limits: _Limits) -> None:
        super().__init__()
        self._limits = limits

    def http_open(self, req: urllib.request.Request) -> Response:
        return self._open(http.client.HTTPConnection, req)

    def https_open(self, req: urllib.request.Request) -> Response:
        return self._open(http.client.HTTPSConnection, req)

    def _open(
        self, kind: type[http.client.HTTPConnection], req: urllib.request.Request
    ) -> Response:
        return self.do_open(partial(_connection, kind, self._limits), req)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows few redirects, each checked; a key goes to no other server than it was meant for."""

    max_redirections = MAX_REDIRECTS

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any
    ) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except Exception:
            fp.close()  # urllib forgets it
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(  # noqa: PLR0917  (as urllib has it)
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        # A server elsewhere must not send us to services of this machine.
        if not _is_allowed(newurl) or (_is_here(newurl) and not _is_here(req.full_url)):
            raise urllib.error.HTTPError(
                req.full_url, code, f"leads to {shown_address(newurl)}", Message(), fp
            )
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.remove_header("Authorization")
        return request


def _opener(address: str, limits: _Limits) -> urllib.request.OpenerDirector:
    """An opener for https and http alone: urllib's own would read files and FTP as well."""
    opener = urllib.request.OpenerDirector()
    handlers = [
        # A proxy would look for this machine's address on its own machine.
        urllib.request.ProxyHandler({} if _is_here(address) else None),
        _Handler(limits),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
    ]
    for handler in handlers:
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "impasto")]
    return opener


def _is_allowed(address: str) -> bool:
    try:
        parts = urlsplit(address)
        # Asked for its ValueError: a port that is no number.
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or not address.isprintable() or " " in address:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_here(address))


def _is_here(address: str) -> bool:
    """Whether an address is one of this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _meaning(error: urllib.error.HTTPError) -> str:
    match error.code:
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return "there is nothing there (404); check the address"
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return (
                f"the server lets nobody in without leave ({error.code}); check the address, and "
                f"for hf:// that HF_TOKEN may read it"
            )
        case code if 300 <= code < 400:
            return (
                f"the server sends on from place to place, or to one that is not safe "
                f"({' '.join(str(error.reason).split())[:200]}); check the address"
            )
        case code:
            return f"the server answered with the error {code}; try again later"
