"""What is read of files and streams ends, and nothing waits for what is no file."""

import io
import os
import socket

import pytest

from impasto.system.input_files import (
    open_given_file,
    parse_json,
    read_given_file,
    read_given_stream,
    special_kind,
)


class Endless(io.RawIOBase):
    """A stream of zeros that counts what was taken of it."""

    taken = 0

    def readable(self):
        return True

    def read(self, size=-1):
        assert size >= 0
        self.taken += size
        return bytes(size)


def test_a_file_of_just_the_limit_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_given_file(path, max_bytes=5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_given_file(path, max_bytes=4)


def test_an_endless_stream_is_left_soon_after_the_limit():
    stream = Endless()
    with pytest.raises(OSError, match="more than 3,000,000 bytes"):
        read_given_stream(stream, max_bytes=3_000_000)
    assert stream.taken < 3_000_000 + 2**21


def test_a_stream_is_read_from_where_it_stands():
    stream = io.BytesIO(b"abcdef")
    stream.read(2)
    assert read_given_stream(stream, max_bytes=10).read() == b"cdef"


def test_pipes_devices_and_sockets_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(tmp_path, os.O_RDONLY)  # paths of sockets are short
        server.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
    kinds = {"pipe": "a named pipe", "link": "a named pipe", "socket": "a socket"}
    for name, kind in kinds.items():
        assert special_kind(tmp_path / name) == kind
        with pytest.raises(OSError, match=f"it is {kind}, not a file"):
            open_given_file(tmp_path / name)
    assert special_kind("/dev/null") == "a device"
    with pytest.raises(IsADirectoryError):
        open_given_file(tmp_path)
    assert special_kind(tmp_path) is None
    assert special_kind(tmp_path / "missing") is None


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "{", b"\xff\xfe", b"", '{"a": ' + "9" * 5000 + "}"]
)
def test_json_that_cannot_be_understood_is_a_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011  (whatever it says)
        parse_json(text)
    assert parse_json(b'{"a": [1]}') == {"a": [1]}
