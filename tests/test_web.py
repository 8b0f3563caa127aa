"""What comes from the web comes within limits of bytes and time, and in one line if not."""

import pytest

from impasto.errors import DownloadError
from impasto.web import (
    check_address,
    is_web_address,
    read_address,
    shown_address,
)
from impasto.zoo.hub import hub_url

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
MALFORMED = ("https://[/x", "https://ex\u2100mple/", "https://a:b:c/", "https://[::1", "https://]/")


def read(address, *, max_bytes=100_000, seconds=60.0, headers=None):
    return read_address(address, max_bytes=max_bytes, seconds=seconds, headers=headers)


def refused(address, **limits):
    """The one line that says why nothing was read."""
    with pytest.raises(DownloadError) as raised:
        read(address, **limits)
    assert str(raised.value).isprintable()
    return str(raised.value)


def test_a_page_is_read_whole_or_not_at_all(server):
    address = server.put("/page", bytes(100_000))
    assert read(address) == bytes(100_000)
    assert "more than 99999 bytes" in refused(address, max_bytes=99_999)


@pytest.mark.parametrize("data", [HEAD + b"\r\nx", b"HTTP/1.1 200 OK\r\nX-Long: x"])
def test_a_server_that_sends_a_byte_now_and_then_is_left(server, data):
    # It is never silent for long; the second one does not even end its headers.
    address = server.put("/page", data, drips=True)
    assert "it takes longer than 0.4 seconds" in refused(address, seconds=0.4)


def test_time_is_over_before_anything_is_asked(server):
    address = server.put("/page", b"data")
    assert "it takes longer than 0 seconds" in refused(address, seconds=0)
    assert server.requests == []


@pytest.mark.parametrize(
    ("length", "found"),
    [
        (b"3", b"abc"),
        (b"-1", b"abcdef"),
        (b"\xb2", b"abcdef"),
        (b"9" * 6000, b"abcdef"),
        (b"six", b"abcdef"),
        (b"", b"abcdef"),
    ],
)
def test_lengths_that_are_lies_do_no_harm(server, length, found):
    raw = HEAD + b"Content-Length: " + length + b"\r\n\r\nabcdef"
    assert read(server.put("/page", raw=raw)) == found


def test_a_length_that_is_too_large_is_a_connection_that_broke_off(server):
    raw = HEAD + b"Content-Length: 7000\r\n\r\nabcdef"
    assert "broke off after 6 of 7000 bytes" in refused(server.put("/page", raw=raw))


@pytest.mark.parametrize(
    "body", [b"-1\r\n" + bytes(4_000_000), b"zz\r\nabc", b"ffffffff\r\nabc", b"5\r\nabc"]
)
def test_chunks_that_are_lies_are_one_line(server, body):
    # A length of -1 has http.client read to the end, however far that is.
    raw = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body
    assert refused(server.put("/page", raw=raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://ex\xe2\x84\x80mple/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
    ],
)
def test_answers_without_sense_are_one_line(server, raw):
    assert refused(server.put("/page", raw=raw))


def test_a_redirect_without_end_is_left(server):
    page = b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n"
    assert "longer than 0.4" in refused(server.put("/page", page, drips=True), seconds=0.4)
    large = page + bytes(3_000_000)
    server.put("/there", b"there")
    assert "more than 10 bytes" in refused(server.put("/page", raw=large), max_bytes=10)


@pytest.mark.parametrize("address", MALFORMED)
def test_malformed_addresses_are_one_line(address):
    assert is_web_address(address)
    assert shown_address(address).isprintable()
    with pytest.raises(DownloadError, match="expected an address that begins with https://"):
        check_address(address)
    assert refused(address)


def test_passwords_and_queries_of_malformed_addresses_are_not_shown():
    assert shown_address("https://me:secret@[/x?key=secret#a") == "https://[/x"


@pytest.mark.parametrize("address", ["hf://[/x", "hf://ex\u2100mple/", "hf://a/b\n", "hf://"])
def test_malformed_addresses_on_the_hub_are_one_line(address):
    with pytest.raises(DownloadError) as raised:
        hub_url(address)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "listing",
    [
        b"[" * 200_000,
        b'{"siblings": ' + b"[" * 200_000,
        b'{"siblings": 3}',
        b'{"siblings": [{"rfilename": "\\ud800.onnx"}]}',
        b"[]",
        b"\xff",
        b"",
        b'{"siblings": ' + b"1" * 5000 + b"}",
        b'{"siblings": [{"rfilename": "a\\n.onnx"}, {"rfilename": "b.onnx"}]}',
    ],
)
def test_listings_without_sense_are_one_line(server, monkeypatch, listing):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.put("/api/models/user/name/revision/main", listing)
    with pytest.raises(DownloadError) as raised:
        hub_url("hf://user/name")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("token", ["a\nb", "schl\u00fcssel\u2100"])
def test_a_token_that_cannot_be_sent_is_told_to_nobody(server, monkeypatch, token):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(DownloadError, match="HF_TOKEN cannot be sent") as raised:
        hub_url("hf://user/name")
    assert token not in str(raised.value)
    assert server.requests == []
