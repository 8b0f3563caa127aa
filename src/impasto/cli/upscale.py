"""`impasto upscale`: pictures in, larger pictures out."""

from typing import TYPE_CHECKING

from impasto.cli.display.downloads import fetched
from impasto.cli.files.transform import transform_files
from impasto.cli.options import (
    ComputeOptions,
    MatchHistogram,
    Output,
    Photos,
    Scale,
    UpscalingModel,
    WritingOptions,
    with_option_records,
)

if TYPE_CHECKING:
    from impasto.runtime.transformation import Transformation


@with_option_records
def upscale(
    photos: Photos,
    *,
    output: Output,
    model: UpscalingModel = "sharp",
    scale: Scale = None,
    match_histogram: MatchHistogram = False,
    compute: ComputeOptions,
    writing: WritingOptions,
) -> None:
    """Upscale pictures and videos by super-resolution.

    PHOTO is a photograph, a folder of them, or - for one from a pipe. One photograph becomes the
    file OUT, whose suffix decides the format. Several, or a folder, go into the folder OUT with
    their names and nested folders. A pipe gets PNG. Folders that are missing are made.
    Animations stay animations where the format has them.

    A file that exists is an error, and nothing is done, unless --overwrite or --skip-existing is
    given. If some of several photographs fail, the others are done and the exit status is 1.
    """

    def load() -> "Transformation":
        from impasto.runtime.transformation import Enlargement
        from impasto.runtime.upscaler import Upscaler

        upscaler = Upscaler(
            fetched(model), compute.settings(), scale=scale, match_histogram=match_histogram
        )
        return Enlargement(upscaler)

    transform_files(photos, output, load, writing)
