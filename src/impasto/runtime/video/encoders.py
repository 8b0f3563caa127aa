"""The encoder of a video file, by its suffix and by whether the video has transparency."""

from collections.abc import Mapping
from dataclasses import dataclass

_H264_PRESET = "veryfast"
# A bit rate of 0 makes libvpx keep the quality of crf; another would cap the rate below it.
_VP9_OPTIONS = {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0"}
_PRORES_OPTIONS = {"profile": "4444", "alpha_bits": "16"}


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of FFmpeg's encoders and its settings.

    Attributes:
        codec: its name.
        options: its settings.
        pixel_format: of the frames that it takes.
        bits: per channel.
        has_alpha: whether it keeps transparency.
        alpha_note: a line for the user of a video with transparency; empty for none.
    """

    codec: str
    options: Mapping[str, str]
    pixel_format: str
    bits: int
    has_alpha: bool
    alpha_note: str


def encoder_for(suffix: str, quality: int, *, has_alpha: bool) -> Encoder:
    """The encoder of a file.

    Args:
        suffix: of the file, one of `WRITABLE_SUFFIXES`.
        quality: 1 to 100, mapped linearly to the constant rate factor; ProRes ignores it.
        has_alpha: whether the video has transparency.
    """
    # At the default quality of 92 the factors are 25 (VP9) and 18 (H.264).
    if suffix.lower() == ".webm":
        return Encoder(
            "libvpx-vp9",
            {"crf": str(round(63 - 0.41 * quality)), **_VP9_OPTIONS},
            "yuva420p" if has_alpha else "yuv420p",
            8,
            has_alpha,
            "",
        )
    if suffix.lower() == ".mov" and has_alpha:
        return Encoder(
            "prores_ks",
            _PRORES_OPTIONS,
            "yuva444p10le",
            10,
            True,
            "transparency is kept: the video is ProRes 4444, on which quality has no effect",
        )
    return Encoder(
        "libx264",
        {"crf": str(round(51 - 0.36 * quality)), "preset": _H264_PRESET},
        "yuv420p",
        8,
        False,
        f"{suffix} has no transparency: the video was laid on white; .webm and .mov keep it",
    )
