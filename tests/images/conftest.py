"""Profiles built by hand, so that what they must do can be worked out."""

import struct

import pytest

_D50 = (0.9642, 1.0, 0.8249)
# sRGB's primaries adapted to D50 (IEC 61966-2-1 through the Bradford matrix).
_RED, _GREEN, _BLUE = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)


def _xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def _text(value):
    return b"text\0\0\0\0" + value + b"\0"


def _description(value):
    body = struct.pack(">I", len(value) + 1) + value + b"\0"
    return b"desc\0\0\0\0" + body + b"\0" * (4 + 4 + 2 + 1 + 67)


def icc_profile(space, tags, *, device_class=b"mntr", connection_space=b"XYZ "):
    """An ICC version 2.4 profile out of its tags."""
    tags = {b"desc": _description(b"by hand"), b"cprt": _text(b"none"), b"wtpt": _xyz(_D50)} | tags
    table, data = b"", b""
    offset = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + struct.pack(">II", offset + len(data), len(tag))
        data += tag + b"\0" * (-len(tag) % 4)
    head = struct.pack(">I4sI", offset + len(data), b"\0\0\0\0", 0x02400000)
    head += device_class + space + connection_space
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head += b"".join(struct.pack(">i", round(v * 65536)) for v in _D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


@pytest.fixture(scope="session")
def linear_rgb_profile():
    """sRGB's primaries with values proportional to light."""
    curves = {b"rTRC": _gamma(1), b"gTRC": _gamma(1), b"bTRC": _gamma(1)}
    primaries = {b"rXYZ": _xyz(_RED), b"gXYZ": _xyz(_GREEN), b"bXYZ": _xyz(_BLUE)}
    return icc_profile(b"RGB ", primaries | curves)


@pytest.fixture(scope="session")
def linear_grey_profile():
    """Greys proportional to light."""
    return icc_profile(b"GRAY", {b"kTRC": _gamma(1)})


@pytest.fixture(scope="session")
def black_ink_profile():
    """CMYK in which every ink is black: lightness falls from white to black with the most ink."""
    identity = bytes(range(256))
    corners = b"".join(bytes([255 if corner == 0 else 0, 128, 128]) for corner in range(16))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + corners + identity * 3
    tags = {b"A2B0": table, b"A2B1": table}
    return icc_profile(b"CMYK", tags, device_class=b"prtr", connection_space=b"Lab ")
