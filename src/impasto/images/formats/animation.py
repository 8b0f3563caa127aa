"""Animations: GIF, APNG, WebP and AVIF with more than one frame.

An animation decodes its frames one at a time, on request; so does one whose frames are transformed.
Videos, which are long and have sound: `runtime.video`.
"""

import dataclasses
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image

from impasto.errors import PictureFileError
from impasto.images.formats.conversion import picture_from_pil
from impasto.images.formats.opening import open_image
from impasto.images.formats.pillow_errors import MAX_PIXELS, check_size, reading
from impasto.images.picture import Picture

_USUAL_DURATION_MS = 100.0
# A WebP begins with RIFF's 12 bytes, then the name and length of VP8X: its flags are byte 20.
_WEBP_FLAGS, _WEBP_ALPHA = 20, 0x10
_ANIMATED_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of an animation, and its duration in milliseconds."""

    picture: Picture
    duration_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Animation:
    """Pictures of one size that follow one another.

    Attributes:
        num_frames: how many, at least 2.
        num_plays: how often it is played; 0 is for ever.
        frames: begins a pass through the frames, each made when it is asked for.
    """

    num_frames: int
    num_plays: int
    frames: Callable[[], Iterator[Frame]]

    def transformed(self, transform: Callable[[Picture], Picture]) -> "Animation":
        """The animation of what `transform` makes of each frame, with the same timing.

        Args:
            transform: gives pictures of one size; called when a frame is asked for.
        """

        def frames() -> Iterator[Frame]:
            for frame in self.frames():
                yield Frame(transform(frame.picture), frame.duration_ms)

        return Animation(self.num_frames, self.num_plays, frames)

    def first(self) -> Picture:
        """The first frame."""
        return next(self.frames()).picture


def is_animated(image: Image.Image) -> bool:
    """Whether an opened image is an animation of more than one frame."""
    return image.format in _ANIMATED_FORMATS and bool(getattr(image, "is_animated", False))


def animation_from_file(data: bytes, image: Image.Image, *, name: str) -> Animation:
    """The animation in a file.

    Args:
        data: the file.
        image: the same, as Pillow opened it.
        name: what errors call it.

    Returns:
        Frames upright, in sRGB, whole (not only what changes), each as large as the file says.
        Frames without a duration are shown for 100 ms, as browsers do.

    Raises:
        PictureFileError: damaged, or with too many pixels in all frames together. The frames
            raise it as well, as soon as one is damaged.
    """
    with reading(name):
        check_size(image, name)
        first = 1 if image.info.get("default_image") else 0  # a still for those without APNG
        num_frames = int(getattr(image, "n_frames", 1)) - first
        check_all_frames(image.width, image.height, num_frames, name)
        loop = image.info.get("loop")
        num_plays = int(loop or 0)
        if image.format == "GIF":  # counts repeats, and says nothing where there are none
            num_plays = 1 if loop is None else num_plays + 1 if num_plays else 0
        return Animation(
            num_frames,
            num_plays,
            lambda: _frames(data, range(first, first + num_frames), image.size, name),
        )


def check_all_frames(width: int, height: int, num_frames: int, name: str) -> None:
    """Refuse an animation whose frames have more than `MAX_PIXELS` together.

    Raises:
        PictureFileError: too many.
    """
    if width * height * num_frames > MAX_PIXELS:
        raise PictureFileError(
            f"{name} has too many pixels ({num_frames:,} frames of {width:,}×{height:,}); at most "
            f"{MAX_PIXELS:,} in all frames are read and written: make it smaller or shorter first"
        )


def with_alpha_flag(webp: bytes) -> bytes:
    """An animated WebP whose header says that it is transparent somewhere.

    libwebp leaves that out where only what a frame does not cover is transparent, and takes the
    header at its word when it reads.
    """
    if webp[12:16] != b"VP8X":
        return webp
    return webp[:_WEBP_FLAGS] + bytes([webp[_WEBP_FLAGS] | _WEBP_ALPHA]) + webp[_WEBP_FLAGS + 1 :]


def _frames(data: bytes, positions: range, size: tuple[int, int], name: str) -> Iterator[Frame]:
    if data[8:12] == b"WEBP":
        data = with_alpha_flag(data)
    with reading(name):
        # Each pass opens the file anew: an image has one position, and two passes may be under way.
        image = open_image(io.BytesIO(data), _ANIMATED_FORMATS)
    with image:
        for position in positions:
            with reading(name):
                image.seek(position)
                image.load()
                picture = picture_from_pil(_cut(image, size), name=name)
                # `with_alpha_flag` makes every WebP frame RGBA. An opaque frame gets no alpha, or
                # it would be resized and written with one.
                if picture.alpha is not None and picture.alpha.min() == 1:
                    picture = dataclasses.replace(picture, alpha=None)
                duration_ms = float(image.info.get("duration") or _USUAL_DURATION_MS)
            # Outside `reading`: it holds Pillow's warnings back in the whole process, and the
            # consumer may take long over a frame.
            yield Frame(picture, duration_ms)


def _cut(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A frame without what lies beyond its screen.

    The first frame of a GIF may make its screen larger, and no later one; so do browsers.
    """
    if image.size == size:
        return image
    if image.format != "GIF" or image.width < size[0] or image.height < size[1]:
        raise ValueError(f"a frame is {image.width}×{image.height}")
    return image.crop((0, 0, *size))
