"""Reading from the web: https alone, redirects followed a few times and never to anything less.

What is read, and where it is kept, is for others: models in `impasto.zoo.download`, pictures in
`impasto.batch`. Plain http is for servers of this machine, such as those of tests.
"""

import http.client
import ipaddress
import ssl
import urllib.error
import urllib.request
from email.message import Message
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from impasto.errors import DownloadError

MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 30.0
"""Without a byte for so long, a server counts as gone."""

CHUNK_BYTES = 2**18

Response = http.client.HTTPResponse
TRANSPORT_ERRORS = (OSError, http.client.HTTPException)
"""What a connection raises that cannot be made, or breaks off."""


def is_web_address(text: str) -> bool:
    """Whether a text is meant as an address of the web, sound or not."""
    return text.lower().startswith(("https://", "http://"))


def shown_address(address: str) -> str:
    """An address for messages: without query, which may hold a key, and printable."""
    parts = urlsplit(address)
    text = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return text if text.isprintable() else ascii(text)[1:-1]


def open_address(address: str, *, headers: dict[str, str] | None = None) -> Response:
    """Send a GET request and return the open response, of status 200, 206 or 416.

    Args:
        address: https, or http to this machine; a fragment is not sent.
        headers: sent along; `Authorization` stays with the first server.

    Raises:
        DownloadError: an address of another kind, no connection, an error of the server, or
            redirects that are too many or lead elsewhere.
    """
    _check(address)
    try:
        request = urllib.request.Request(address.partition("#")[0], headers=headers or {})
        response: Response = _opener(address).open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return error  # type: ignore[return-value]  # it reads like a response
        error.close()
        raise DownloadError(f"{shown_address(address)}: {_meaning(error)}") from None
    except (*TRANSPORT_ERRORS, ValueError) as error:
        raise DownloadError(
            f"{shown_address(address)}: there is no connection ({reason_of(error)}); "
            f"check the address and the network"
        ) from None
    return response


def read_address(address: str, *, max_bytes: int, headers: dict[str, str] | None = None) -> bytes:
    """What is at an address, all of it.

    Raises:
        DownloadError: as `open_address`, and where it is larger or the connection breaks off.
    """
    parts, num_bytes = [], 0
    with open_address(address, headers=headers) as response:
        try:
            while part := response.read(CHUNK_BYTES):
                parts.append(part)
                num_bytes += len(part)
                if num_bytes > max_bytes:
                    raise DownloadError(
                        f"{shown_address(address)}: there are more than {max_bytes} bytes there, "
                        f"which is the most that is read; check the address"
                    )
        except TRANSPORT_ERRORS as error:
            if isinstance(error, DownloadError):
                raise
            raise DownloadError(
                f"{shown_address(address)}: the connection broke off ({reason_of(error)}); "
                f"try again"
            ) from None
        expected = response.headers.get("Content-Length")
    if expected is not None and expected.isdigit() and int(expected) != num_bytes:
        raise DownloadError(
            f"{shown_address(address)}: the connection broke off after {num_bytes} of {expected} "
            f"bytes; try again"
        )
    return b"".join(parts)


def reason_of(error: BaseException) -> str:
    """What a connection's error says, in a few words."""
    inner = getattr(error, "reason", error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {inner.verify_message}"
    if isinstance(inner, TimeoutError):
        return f"no answer for {TIMEOUT_SECONDS:g} seconds"
    said = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return " ".join(str(said).split())[:200]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows few redirects, each checked; a key goes to no other server than it was meant for."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(  # noqa: PLR0917  (as urllib has it)
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not _is_allowed(newurl) or (_is_here(newurl) and not _is_here(req.full_url)):
            raise urllib.error.HTTPError(
                req.full_url, code, f"leads to {shown_address(newurl)}", Message(), fp
            )
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.remove_header("Authorization")
        return request


def _opener(address: str) -> urllib.request.OpenerDirector:
    """An opener for https and http alone: urllib's own would read files and FTP as well."""
    opener = urllib.request.OpenerDirector()
    handlers = [
        urllib.request.ProxyHandler({} if _is_here(address) else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
    ]
    for handler in handlers:
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "impasto")]
    return opener


def _check(address: str) -> None:
    if not _is_allowed(address):
        raise DownloadError(
            f"{shown_address(address)}: expected an address that begins with https:// and names a "
            f"server, without a password; http:// is for servers of this machine"
        )


def _is_allowed(address: str) -> bool:
    try:
        parts = urlsplit(address)
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
