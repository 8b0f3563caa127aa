"""`impasto stylize`: photographs and videos in, stylized ones out."""

from typing import TYPE_CHECKING

from impasto.cli.display.console import usage_error
from impasto.cli.display.downloads import fetched
from impasto.cli.files.transform import transform_files
from impasto.cli.options import (
    ComputeOptions,
    Mask,
    Output,
    Outside,
    PaintingOptions,
    Photos,
    Size,
    Stabilize,
    Style,
    StyleOptions,
    WritingOptions,
    with_option_records,
)

if TYPE_CHECKING:
    from impasto.runtime.transformation import Transformation

NO_STYLE = "none"


@with_option_records
def stylize(
    photos: Photos,
    *,
    style: Style,
    painting: PaintingOptions,
    output: Output,
    size: Size = None,
    looks: StyleOptions,
    mask: Mask = None,
    outside: Outside = NO_STYLE,
    stabilize: Stabilize = False,
    compute: ComputeOptions,
    writing: WritingOptions,
) -> None:
    """Stylize photographs and videos.

    PHOTO is a photograph, a folder of them, or - for one from a pipe. One photograph becomes the
    file OUT, whose suffix decides the format. Several, or a folder, go into the folder OUT with
    their names and nested folders. A pipe gets PNG. Folders that are missing are made.
    Animations stay animations where the format has them.

    STYLE may be a painting: any picture's file. A, B and more mix as A:0.7,B:0.3 or A,B, each a
    painting's file or a style that the network for any painting holds.

    A video (MP4, Matroska, WebM, AVI, ...) becomes a video with its sound, in MP4, Matroska or
    WebM. Ctrl-C leaves its finished part as OUT.partial.mp4.

    A mask has the aspect ratio of its photograph; grey mixes. A folder of masks has one with the
    name of each photograph. The frames of a mask video go with those of the video.

    A file that exists is an error, and nothing is done, unless --overwrite or --skip-existing is
    given. If some of several photographs fail, the others are done and the exit status is 1.
    """
    if mask is None and outside != NO_STYLE:
        raise usage_error("--outside is the style where a mask is black; give --mask too")

    def load() -> "Transformation":
        # Imported when the files are checked, so that a misspelt name is refused at once.
        from impasto.runtime.mask_files import open_masks
        from impasto.runtime.stylizer import Stylizer
        from impasto.runtime.transformation import Stylization

        def open_style(text: str) -> Stylizer:
            return Stylizer(fetched(text), compute.settings(), **painting.settings())

        masks = None if mask is None else open_masks(mask, photos)
        stylizer = open_style(style)
        other = None if outside == NO_STYLE else open_style(outside)
        return Stylization(stylizer, looks.settings(size=size), stabilize, masks, other)

    transform_files(photos, output, load, writing)
