"""Whether a container can hold a stream as it is encoded: tried by writing its beginning."""

import io
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.stream import Stream

from impasto.runtime.video.opening import open_video
from impasto.runtime.video.times import Clock

_SAMPLED_PACKETS = 8
_MAX_PACKETS_READ = 500
_TEXTS_WITHOUT_WEBM = ("srt", "subrip", "ass", "ssa")
"""Subtitles that FFmpeg lists among WebM's codecs, and that WebM files cannot hold."""


def first_packets(source: Path) -> "dict[int, list[Packet[Any]]]":
    """The first packets of each stream of sound or subtitles of a video, by its index."""
    samples: dict[int, list[Packet[Any]]] = {}
    container = open_video(source)
    try:
        streams = [it for it in container.streams if it.type in ("audio", "subtitle")]
        if not streams:
            return {}
        for number, packet in enumerate(Clock(container).demux(streams)):
            sample = samples.setdefault(packet.stream.index, [])
            if packet.dts is not None and len(sample) < _SAMPLED_PACKETS:
                sample.append(packet)
            if number >= _MAX_PACKETS_READ:  # subtitles may begin late
                break
            if all(len(samples.get(it.index, ())) >= _SAMPLED_PACKETS for it in streams):
                break
    except av.FFmpegError:
        pass  # damaged: the packets read so far have to suffice
    finally:
        container.close()
    return samples


def can_hold(container: str, stream: Stream, sample: "list[Packet[Any]]") -> bool:
    """Whether FFmpeg writes a stream into a container without encoding it anew.

    Args:
        container: FFmpeg's name of it.
        stream: of sound or subtitles.
        sample: its first packets, which cannot be used again.
    """
    if container == "webm" and stream.codec_context.name in _TEXTS_WITHOUT_WEBM:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            copied = trial.add_stream_from_template(stream)
            # Some codecs are refused with the header, others only with their first packets.
            trial.start_encoding()
            for packet in sample:
                packet.stream = copied
                trial.mux_one(packet)
    except (av.FFmpegError, ValueError, OSError):
        return False
    return True
