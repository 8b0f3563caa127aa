"""`impasto upscale`: pictures in, larger pictures out."""

from typing import TYPE_CHECKING, Any

from impasto.cli.display.downloads import fetched
from impasto.cli.files.steps import Transformation, Writing, asked_bits
from impasto.cli.files.transform import transform_files
from impasto.cli.options import (
    Backend,
    BatchSize,
    Bits,
    Json,
    Lossless,
    MatchHistogram,
    Memory,
    Output,
    Overwrite,
    Photos,
    Precision,
    Quality,
    Requests,
    Scale,
    SkipExisting,
    Tile,
    UpscalingModel,
    tile_of,
)

if TYPE_CHECKING:
    from impasto.runtime.tiles.grid import Progress
    from impasto.runtime.tiles.large_pictures import LargePicture, LargeResult
    from impasto.runtime.video.transform import VideoSummary


def upscale(
    photos: Photos,
    *,
    output: Output,
    model: UpscalingModel = "sharp",
    scale: Scale = None,
    match_histogram: MatchHistogram = False,
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
    """Enlarge pictures and films by super-resolution.

    PHOTO is a photograph, a folder of them, or - for one from a pipe. One photograph becomes the
    file OUT, whose suffix decides the format. Several, or a folder, go into the folder OUT with
    their names and nested folders. A pipe gets PNG. Folders that are missing are made.
    Animations stay animations where the format has them.

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
        from impasto.runtime.upscaler import Upscaler

        upscaler = Upscaler(
            fetched(model),
            scale=scale,
            precision=precision,
            backend=backend,
            match_histogram=match_histogram,
            tile=tile_of(tile),
            memory=memory,
            batch_size=batch_size,
            num_requests=requests,
        )

        def apply_to_large(
            large: "LargePicture", writing: Writing, progress: "Progress"
        ) -> "LargeResult":
            return upscaler.upscale_large(
                large,
                quality=writing.quality,
                bits=asked_bits(writing),
                overwrite=writing.overwrite,
                progress=progress,
            )

        def apply_to_clip(source: str, target: str, **settings: Any) -> "VideoSummary":
            from impasto.runtime.video.transform import upscale_video

            return upscale_video(upscaler, source, target, **settings)

        return Transformation(
            name=upscaler.name,
            key="model",
            precision=upscaler.precision_for,
            film_precision=upscaler.precision,
            apply=upscaler.upscale_all,
            batching=upscaler.batching(),
            apply_to_clip=apply_to_clip,
            find_large=upscaler.find_large,
            apply_to_large=apply_to_large,
            smaller="cut it into parts",
        )

    transform_files(photos, output, load, writing)
