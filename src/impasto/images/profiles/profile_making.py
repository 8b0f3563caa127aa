"""ICC profiles made of primaries and a curve, for files that state their colour without one.

Source: ICC.1:2010 (version 4.3); white points are adapted to D50 by the Bradford matrix.
"""

import struct

import numpy as np
from numpy.typing import NDArray

Chromaticities = tuple[
    tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]
]
"""x and y of white, red, green and blue."""

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_HEADER_BYTES = 128


def made_profile(
    primaries: Chromaticities, curve: NDArray[np.float64] | float, is_grey: bool
) -> bytes:
    """An ICC profile.

    Args:
        primaries: of the colours; greys have none, and any white is white.
        curve: light in [0, 1] at evenly spaced values, or the exponent of a power.
        is_grey: for pictures with one channel.
    """
    if isinstance(curve, float):
        # Function type 0, a power; its exponent in 16.16 fixed point.
        trc = b"para\0\0\0\0\0\0\0\0" + struct.pack(">i", round(curve * 65_536))
    else:
        steps = np.rint(curve * 65_535).astype(">u2")
        trc = b"curv\0\0\0\0" + struct.pack(">I", len(steps)) + steps.tobytes()
    if is_grey:
        return _profile(b"GRAY", {b"wtpt": _xyz_tag(_D50), b"kTRC": trc})
    x, y = primaries[0]
    white = np.array([x, y, 1 - x - y]) / y
    corners = np.array([[x, y, 1 - x - y] for x, y in primaries[1:]]).T
    scaled = corners * np.linalg.solve(corners, white)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    # XYZ of red, green and blue, whose sum is D50.
    columns = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD @ scaled
    tags = {b"wtpt": _xyz_tag(_D50)}
    tags |= {b"%cXYZ" % name: _xyz_tag(columns[:, k]) for k, name in enumerate(b"rgb")}
    return _profile(b"RGB ", tags | {b"%cTRC" % name: trc for name in b"rgb"})


def _xyz_tag(values: NDArray[np.float64]) -> bytes:
    # Stated chromaticities may be odd, and come to more than 16.16 fixed point holds.
    numbers = [min(max(round(float(v) * 65_536), -(2**31)), 2**31 - 1) for v in values]
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *numbers)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, data, offsets = b"", b"", dict[bytes, int]()
    start = _HEADER_BYTES + 4 + 12 * len(tags)
    for name, tag in tags.items():
        # Tags may share their data, as the three equal curves do.
        if tag not in offsets:
            offsets[tag] = start + len(data)
            data += tag + bytes(-len(tag) % 4)
        table += name + struct.pack(">II", offsets[tag], len(tag))
    # Version 4.3. The date is fixed: a clock would make equal colours different bytes.
    head = struct.pack(">I4sI", start + len(data), b"\0\0\0\0", 0x04300000)
    head += b"mntr" + space + b"XYZ " + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + _xyz_tag(_D50)[8:]
    return head.ljust(_HEADER_BYTES, b"\0") + struct.pack(">I", len(tags)) + table + data
