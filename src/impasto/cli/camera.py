"""`impasto camera`: a camera in a trained style, in a window."""

from typing import Annotated

import typer

from impasto.cli.display.console import print_note
from impasto.cli.options import (
    MAXIMUM_SIZE,
    MINIMUM_SIZE,
    PaintingOptions,
    StyleOptions,
    with_option_records,
)

Styles = Annotated[
    list[str],
    typer.Option(
        "--style",
        "-s",
        metavar="STYLE",
        help="Name or file of a style, or a painting's; give several to change by key n.",
    ),
]
CameraName = Annotated[
    str,
    typer.Option(
        "--camera", metavar="CAMERA", help="Number or device of a camera, or the file of a video."
    ),
]
Size = Annotated[
    int,
    typer.Option(
        metavar="PIXELS", min=MINIMUM_SIZE, max=MAXIMUM_SIZE, help="Longer side of the frames."
    ),
]
Mirror = Annotated[bool, typer.Option("--mirror", help="Exchange left and right, as in a mirror.")]


@with_option_records
def camera(
    *,
    style: Styles,
    painting: PaintingOptions,
    camera: CameraName = "0",
    size: Size = 384,
    mirror: Mirror = False,
    looks: StyleOptions,
) -> None:
    """Show a camera in a style, in a window.

    Keys: q or Escape ends, n goes to the next style, m mirrors.
    """
    from impasto.cli.display.window import Window
    from impasto.images.picture import Picture
    from impasto.runtime.stylizer import Stylizer
    from impasto.runtime.video.camera import Camera
    from impasto.runtime.video.live import LiveStyle, show_live
    from impasto.system.visible_text import visible

    settings, of_paintings = looks.settings(), painting.settings()

    def live(name: str) -> LiveStyle:
        stylizer = Stylizer(name, **of_paintings)
        return LiveStyle(
            # A title is text from a model file, and this one goes into a window.
            visible(stylizer.card.title),
            lambda rgb: stylizer.stylize(Picture(rgb), settings).rgb,
        )

    # All models are opened before the window: the key n must not wait for one.
    styles = [live(name) for name in style]
    with Window("Impasto") as window, Camera(camera, size=size) as frames:
        num_shown = show_live(frames, styles, window, mirror=mirror)
    print_note(f"{num_shown} frames shown")
