"""`impasto stylize`: photographs and videos in, stylized ones out."""

from typing import TYPE_CHECKING

from impasto.cli.display.downloads import fetched
from impasto.cli.files.transform import transform_files
from impasto.cli.options import (
    ComputeOptions,
    Output,
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


@with_option_records
def stylize(
    photos: Photos,
    *,
    style: Style,
    painting: PaintingOptions,
    output: Output,
    size: Size = None,
    looks: StyleOptions,
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

    A file that exists is an error, and nothing is done, unless --overwrite or --skip-existing is
    given. If some of several photographs fail, the others are done and the exit status is 1.
    """

    def load() -> "Transformation":
        # Imported when the files are checked, so that a misspelt name is refused at once.
        from impasto.runtime.stylizer import Stylizer
        from impasto.runtime.transformation import Stylization

        stylizer = Stylizer(fetched(style), compute.settings(), **painting.settings())
        return Stylization(stylizer, looks.settings(size=size), stabilize)

    transform_files(photos, output, load, writing)
