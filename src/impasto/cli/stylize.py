"""`impasto stylize`: photographs and films in, repainted ones out."""

from typing import TYPE_CHECKING, Any

from impasto.cli.display.downloads import fetched
from impasto.cli.files.steps import Transformation, Writing, asked_bits
from impasto.cli.files.transform import transform_files
from impasto.cli.options import (
    Backend,
    BatchSize,
    Bits,
    Json,
    KeepColors,
    Lossless,
    Memory,
    Output,
    Overwrite,
    Photos,
    Precision,
    Quality,
    Requests,
    Size,
    SkipExisting,
    Stabilize,
    Strength,
    Style,
    Tile,
    tile_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from impasto.runtime.tiles.grid import Progress
    from impasto.runtime.tiles.large_pictures import LargePicture, LargeResult
    from impasto.runtime.video.transform import VideoSummary


def stylize(
    photos: Photos,
    *,
    style: Style,
    output: Output,
    size: Size = None,
    strength: Strength = 1.0,
    keep_colors: KeepColors = False,
    stabilize: Stabilize = False,
    precision: Precision = "auto",
    backend: Backend = "auto",
    quality: Quality = 92,
    lossless: Lossless = False,
    bits: Bits = "auto",
    skip_existing: SkipExisting = False,
    tile: Tile = "auto",
    memory: Memory = "auto",
    batch_size: BatchSize = 1,
    requests: Requests = 1,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Repaint photographs and films in a trained style.

    PHOTO is a photograph, a folder of them, or - for one from a pipe. One photograph becomes the
    file OUT, whose suffix decides the format. Several, or a folder, go into the folder OUT with
    their names and nested folders. A pipe gets PNG. Folders that are missing are made.
    Animations stay animations where the format has them.

    A film (MP4, Matroska, WebM, AVI, ...) becomes a film with its sound, in MP4, Matroska or
    WebM. Ctrl-C leaves its finished part as OUT.partial.mp4.

    A file that exists is an error, and nothing is done, unless --overwrite or --skip-existing is
    given. If some of several photographs fail, the others are done and the exit status is 1.
    """
    writing = Writing(
        quality=quality,
        lossless=lossless,
        bits=bits,
        skip_existing=skip_existing,
        overwrite=overwrite,
        json=json,
    )

    def load() -> Transformation:
        from impasto.runtime.stylizer import Stylizer

        stylizer = Stylizer(
            fetched(style),
            precision=precision,
            backend=backend,
            tile=tile_of(tile),
            memory=memory,
            batch_size=batch_size,
            num_requests=requests,
        )

        def find_large(source: "Path", target: "Path") -> "LargePicture | None":
            return stylizer.find_large(source, target, size=size, strength=strength)

        def apply_to_large(
            large: "LargePicture", writing: Writing, progress: "Progress"
        ) -> "LargeResult":
            return stylizer.stylize_large(
                large,
                strength=strength,
                keep_colors=keep_colors,
                quality=writing.quality,
                bits=asked_bits(writing),
                overwrite=writing.overwrite,
                progress=progress,
            )

        def apply_to_clip(source: str, target: str, **settings: Any) -> "VideoSummary":
            from impasto.runtime.video.transform import stylize_video

            return stylize_video(
                stylizer,
                source,
                target,
                size=size,
                strength=strength,
                keep_colors=keep_colors,
                stabilize=stabilize,
                **settings,
            )

        return Transformation(
            name=stylizer.name,
            key="style",
            precision=stylizer.precision_for,
            film_precision=stylizer.precision,
            apply=lambda pictures: stylizer.stylize_all(
                pictures, size=size, strength=strength, keep_colors=keep_colors
            ),
            batching=stylizer.batching(size=size),
            apply_to_clip=apply_to_clip,
            find_large=find_large,
            apply_to_large=apply_to_large,
            smaller="give a smaller one with --size",
            longer_side=size,
        )

    transform_files(photos, output, load, writing)
