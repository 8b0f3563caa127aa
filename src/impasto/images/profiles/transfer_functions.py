"""Transfer functions, from values to light: sRGB, powers, and those of high dynamic range.

Sources: ITU-T H.273 table 3; ITU-R BT.2100 (PQ and HLG); ITU-R BT.2408 (203 cd/m² is white).
"""

import numpy as np
from numpy.typing import NDArray

NUM_STEPS = 4096
"""Number of evenly spaced values, from 0 to 1, at which a curve is computed."""

_WHITE_NITS, _PEAK_NITS = 203.0, 1000.0
_KNEE = 0.5
_PQ_M1, _PQ_M2 = 2610 / 16_384, 2523 / 4096 * 128
_PQ_C1, _PQ_C2, _PQ_C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_PQ_NITS = 10_000.0
_HLG_A, _HLG_B, _HLG_C, _HLG_GAMMA = 0.17883277, 0.28466892, 0.55991073, 1.2
_POWERS = {4: 2.2, 5: 2.8, 8: 1.0}
_SRGB, _PQ, _CINEMA, _HLG = 13, 16, 17, 18


def transfer_curve(code: int, *, full: bool) -> NDArray[np.float64] | None:
    """Light in [0, 1] for values from 0 to 1; None for an unknown transfer function.

    PQ and HLG are tone-mapped: light up to half of white stays, brighter light is compressed so
    that 1,000 cd/m² become white.

    Args:
        code: the transfer function's number in H.273.
        full: whether values use the full range, or 16 to 235 of 255.
    """
    values = np.linspace(0, 1, NUM_STEPS)
    if not full:
        values = np.clip((values * 255 - 16) / 219, 0, 1)
    if code == _SRGB:
        return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    if code in _POWERS:
        return np.asarray(values ** _POWERS[code])
    if code == _CINEMA:
        # SMPTE ST 428-1: white is 48 cd/m², and the largest value 52.37.
        return np.asarray((values**2.6 * 52.37 / 48).clip(0, 1))
    if code == _PQ:
        # BT.2100, table 4, from signal to light.
        root = values ** (1 / _PQ_M2)
        light = (np.maximum(root - _PQ_C1, 0) / (_PQ_C2 - _PQ_C3 * root)) ** (1 / _PQ_M1)
        return _tone_mapped(light * _PQ_NITS)
    if code == _HLG:
        # On a screen of 1,000 cd/m². Each channel by itself, where BT.2100 takes the luminance.
        scene = np.where(
            values <= 0.5, values**2 / 3, (np.exp((values - _HLG_C) / _HLG_A) + _HLG_B) / 12
        )
        return _tone_mapped(scene**_HLG_GAMMA * _PEAK_NITS)
    return None


def _tone_mapped(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reinhard's curve with a white point above the knee, which it leaves with the slope 1."""
    light = nits / _WHITE_NITS
    above = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    peak = (_PEAK_NITS / _WHITE_NITS - _KNEE) / (1 - _KNEE)
    compressed = _KNEE + (1 - _KNEE) * above * (1 + above / peak**2) / (1 + above)
    return np.where(light <= _KNEE, light, compressed).clip(0, 1)
