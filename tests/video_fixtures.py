"""Tiny videos for tests: a grey ramp in time with a corner of another colour, and a sine tone."""

from fractions import Fraction

import av
import numpy as np
import pytest

TIME_BASE = Fraction(1, 12_800)
TIMES = (0, 512, 1024, 1536, 2148, 2660, 3172, 4000, 4512, 5024, 5536, 6048)
"""Of a video of a variable frame rate, in units of the time base."""


def frame_colours(number):
    """The colour of a frame, and that of its upper left corner, as bytes."""
    return (40 + 10 * number, 90, 200 - 10 * number), (230, 30, 60)


def draw_frame(number, *, width=64, height=48):
    colour, corner = frame_colours(number)
    pixels = np.full((height, width, 3), colour, np.uint8)
    pixels[: height // 2, : width // 2] = corner
    return pixels


def draw_noise(number, *, width, height):
    """A frame of which an encoder makes many bytes."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_film(
    path,
    *,
    draw=draw_frame,
    width=64,
    height=48,
    times=TIMES,
    codec="libx264",
    pixel_format="yuv420p",
    tags=(1, 1, 1, 1),
    pixel_aspect=None,
    rotation=None,
    mirrored=False,
    sound="aac",
    num_films=1,
    options=(("crf", "4"),),
    time_base=TIME_BASE,
    begin=0,
    sound_begin=None,
    layout="mono",
    chapters=(),
    drawn_in="rgb24",
    prepare=lambda frame: frame,
):
    """Write a film; `tags` are primaries, transfer, matrix and range.

    `times` count in `TIME_BASE`, whatever the film's own time base is, from the second `begin`.
    The sound begins with the pictures, unless told. `drawn_in` is the form of what `draw` gives,
    and `prepare` is done to a frame before it is encoded.
    """
    primaries, transfer, matrix, colour_range = tags
    with av.open(str(path), "w") as output:
        if num_films:
            film = output.add_stream(codec, rate=25, options=dict(options))
            film.width, film.height, film.pix_fmt = width, height, pixel_format
            film.time_base = film.codec_context.time_base = time_base
            context = film.codec_context
            context.color_primaries, context.color_trc = primaries, transfer
            context.colorspace, context.color_range = matrix, colour_range
            if pixel_aspect:
                context.sample_aspect_ratio = pixel_aspect
            if rotation is not None:
                film.set_display_rotation(rotation, hflip=mirrored)
        tone = output.add_stream(sound, rate=48_000, layout=layout) if sound else None
        output.metadata["title"] = "A ramp"
        output.set_chapters(list(chapters))
        if num_films:
            for number, time in enumerate(times):
                frame = av.VideoFrame.from_ndarray(
                    draw(number, width=width, height=height), drawn_in
                ).reformat(
                    format=pixel_format,
                    dst_colorspace={1: 1, 6: 5}.get(matrix, 5),
                    dst_color_range=2 if colour_range == 2 else 1,
                )
                frame.pts, frame.time_base = time + round(begin / TIME_BASE), TIME_BASE
                frame.duration = 512
                output.mux(film.encode(prepare(frame)))
            output.mux(film.encode(None))
        if tone:
            _add_tone(output, tone, begin=begin if sound_begin is None else sound_begin)
    return path


def seed_videos(folder):
    """The bytes of a small valid video for each container that is read, made in a folder."""
    kinds = {
        "mp4": ("mp4", "libx264", "yuv420p", "aac"),
        "mov": ("mov", "mpeg4", "yuv420p", "pcm_s16le"),
        "transparent-mov": ("mov", "qtrle", "argb", None),
        "mkv": ("mkv", "libx264", "yuv420p10le", "flac"),
        "webm": ("webm", "libvpx-vp9", "yuva420p", "libopus"),
        "avi": ("avi", "mpeg4", "yuv420p", "adpcm_ms"),
        "ts": ("ts", "libx264", "yuv420p", "mp2"),
        "vob": ("vob", "mpeg2video", "yuv420p", "ac3"),
        "mxf": ("mxf", "mpeg2video", "yuv420p", "pcm_s16le"),
        "wmv": ("wmv", "wmv2", "yuv420p", "libmp3lame"),
        "flv": ("flv", "flv", "yuv420p", "aac"),
        "ogv": ("ogv", "libvpx", "yuv420p", "flac"),
        "m2v": ("m2v", "mpeg2video", "yuv420p", None),
        "264": ("264", "libx264", "yuv420p", None),
    }
    return {
        kind: make_film(
            folder / f"{kind}.{suffix}",
            codec=codec,
            pixel_format=pixel_format,
            sound=sound,
            times=range(0, 6 * 512, 512),
            time_base=Fraction(1, 25),
            options=(),
        ).read_bytes()
        for kind, (suffix, codec, pixel_format, sound) in kinds.items()
    }


def _add_tone(output, tone, *, begin, seconds=0.5):
    rate = 48_000
    samples = 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)
    frame = av.AudioFrame.from_ndarray(
        samples[np.newaxis].astype(np.float32), format="fltp", layout="mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = rate, begin * rate, Fraction(1, rate)
    context = tone.codec_context
    context.open(strict=False)
    resampler = av.AudioResampler(context.format, context.layout, rate, context.frame_size or None)
    for piece in (frame, None):
        for resampled in resampler.resample(piece):
            output.mux(tone.encode(resampled))
    output.mux(tone.encode(None))


@pytest.fixture
def film(tmp_path):
    """12 frames of 64×48, BT.709, at unequal times, with half a second of a tone."""
    return make_film(tmp_path / "film.mp4")
