"""Pictures too large for memory, stylized by a mask from file to file.

Two styles take two passes: the result of the style outside waits in a file beside the output.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from impasto.images.files.output import check_target
from impasto.images.windows.reading import PictureWindows, open_windows
from impasto.runtime.masks import Mask, mix
from impasto.runtime.stylizer import StyleSettings, Stylizer
from impasto.runtime.tiles.large_pictures import (
    Finish,
    LargePicture,
    LargeResult,
    SavingKeywords,
    folder_beside,
)


def stylize_large(
    picture: LargePicture,
    stylizer: Stylizer,
    settings: StyleSettings,
    *,
    mask: Mask | None = None,
    outside: Stylizer | None = None,
    **saving: Unpack[SavingKeywords],
) -> LargeResult:
    """Stylize a photograph window by window, inside a mask if there is one.

    Args:
        picture: from `find_large`.
        stylizer: the style.
        settings: how photographs are stylized; not `size`, which the picture has.
        mask: where it takes the style; None for all of it.
        outside: the style where the mask is black; None leaves the photograph there.
        saving: how the result is written, see `large_pictures.transform_large`.

    Raises:
        PictureError: the mask has another aspect ratio.
        OutputExistsError: the output exists and may not be overwritten.
        PictureFileError: the picture cannot be read, or the result not be written.
        ModelFileError: a model cannot be run, or not in tiles.
    """

    def finish(
        stylized: NDArray[np.float32], photograph: NDArray[np.float32], *_: slice
    ) -> NDArray[np.float32]:
        return settings.finish(stylized, photograph)

    if mask is None:
        return stylizer.predictor.transform_large(picture, finish=finish, **saving)
    mask.check_fits(width=picture.width, height=picture.height)
    # Before the first pass, which would be in vain.
    check_target(picture.output, overwrite=saving.get("overwrite", False))
    with _result_outside(picture, outside, finish, saving) as others:

        def finish_and_mix(
            stylized: NDArray[np.float32],
            photograph: NDArray[np.float32],
            rows: slice,
            columns: slice,
        ) -> NDArray[np.float32]:
            other = photograph if others is None else others.channels(rows, columns)[..., :3]
            size = {"width": picture.width, "height": picture.height}
            weights = mask.window(rows, columns, **size)
            return mix(finish(stylized, photograph), other, weights)

        return stylizer.predictor.transform_large(picture, finish=finish_and_mix, **saving)


@contextmanager
def _result_outside(
    picture: LargePicture, outside: Stylizer | None, finish: Finish, saving: SavingKeywords
) -> Iterator[PictureWindows | None]:
    """The windows of the picture in the style outside, in a folder that is removed at the end."""
    if outside is None:
        yield None
        return
    with folder_beside(picture.output) as folder:
        # TIFF loses nothing, and holds any size.
        first = dataclasses.replace(picture, output=folder / "outside.tif")
        outside.predictor.transform_large(
            first,
            finish=finish,
            bits=saving.get("bits", "auto"),
            progress=saving.get("progress"),
        )
        yield open_windows(first.output, folder)
