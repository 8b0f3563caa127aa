"""What is done to every picture of a command, batch or video: a stylization or an enlargement.

Both have the methods of `Transformation`, so that files, workers and videos need not know which
of them they apply. Opening a model is `Stylizer`'s and `Upscaler`'s.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Protocol, Unpack

import numpy as np
from numpy.typing import NDArray

from impasto.errors import SettingError
from impasto.images.picture import Picture
from impasto.images.resize import fit_longer_side
from impasto.runtime.batching import ONE_BY_ONE, Batching, Load
from impasto.runtime.fitting_predictor import FittingPredictor
from impasto.runtime.mask_files import MaskFolder, MaskVideo
from impasto.runtime.masked_large_pictures import stylize_large
from impasto.runtime.masks import Mask, mix, stylize_by_masks
from impasto.runtime.stylizer import DEFAULT_STYLE, StyleSettings, Stylizer
from impasto.runtime.tiles.large_pictures import LargePicture, LargeResult, SavingKeywords
from impasto.runtime.upscaler import Upscaler
from impasto.system.visible_text import shown_path

TransformPictures = Callable[[Sequence[Picture]], list[Picture]]


class Transformation(Protocol):
    """A model and its settings, ready for pictures."""

    @property
    def predictor(self) -> FittingPredictor:
        """The model; it names itself and its precision."""
        ...

    @property
    def size(self) -> int | None:
        """Longer side in pixels that pictures are resized to first; None keeps their own."""
        ...

    def for_file(self, path: str) -> "Transformation":
        """The transformation of one photograph or video, which may have a mask of its own.

        Args:
            path: its file, or `-` for a pipe.

        Raises:
            PictureFileError: its mask is missing or cannot be read.
        """
        ...

    def transform(self, picture: Picture) -> Picture:
        """The transformed picture, with its alpha and metadata.

        Raises:
            ModelFileError: the model cannot be run.
        """
        ...

    def transform_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The transformed pictures in their order, each as `transform` makes it.

        Pictures of one size that follow each other go through the network together.

        Raises:
            ModelFileError: the model cannot be run.
        """
        ...

    def batching(self) -> Batching[Picture]:
        """Which pictures may go to `transform_all` together, and how many calls in parallel."""
        ...

    def find_large(self, source: Path, output: Path) -> LargePicture | None:
        """The picture of a file that is too large for memory, for `transform_large`.

        None for a picture that fits, and for files that must be read or written whole.

        Args:
            source: the picture's file.
            output: the file of the result.

        Raises:
            PictureFileError: the output's suffix is that of no format.
        """
        ...

    def transform_large(
        self, picture: LargePicture, **saving: Unpack[SavingKeywords]
    ) -> LargeResult:
        """Transform a picture from file to file, in little memory.

        Args:
            picture: from `find_large`.
            saving: how the result is written, see `large_pictures.transform_large`.

        Raises:
            OutputExistsError: the output exists and may not be overwritten.
            PictureFileError: the picture cannot be read, or the result not be written.
            ModelFileError: the model cannot be run, or not in tiles.
        """
        ...

    def for_frames(self) -> tuple[TransformPictures, Batching[Picture]]:
        """The transformation of one video's frames, which have their size already.

        Frames must come in their order: the result of one may influence the next.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stylization:
    """Photographs and videos in a learned style.

    Attributes:
        stylizer: the style.
        settings: how photographs are stylized.
        stabilize: reduce the flicker of videos.
        mask: where they take the style; a folder has one for each file.
        outside: the style where the mask is black; None leaves the photograph there.

    Raises:
        SettingError: a style outside, and no mask.
    """

    stylizer: Stylizer
    settings: StyleSettings = DEFAULT_STYLE
    stabilize: bool = False
    mask: Mask | MaskVideo | MaskFolder | None = None
    outside: Stylizer | None = None

    def __post_init__(self) -> None:
        if self.outside is not None and self.mask is None:
            raise SettingError("outside is a style for where a mask is black; give a mask too")

    @property
    def predictor(self) -> FittingPredictor:
        """The style's model."""
        return self.stylizer.predictor

    @property
    def size(self) -> int | None:
        """Longer side in pixels that photographs are resized to first; None keeps their own."""
        return self.settings.size

    def for_file(self, path: str) -> "Stylization":
        """The stylization by the mask of one file: see `Transformation`."""
        if not isinstance(self.mask, MaskFolder):
            return self
        return replace(self, mask=self.mask.mask_of(path))

    def transform(self, picture: Picture) -> Picture:
        """The stylized picture: see `Transformation`.

        Raises:
            SettingError: the mask is a video.
            PictureError: the mask has another aspect ratio.
            ModelFileError: the model cannot be run.
        """
        (stylized,) = self.transform_all([picture])
        return stylized

    def transform_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The stylized pictures: see `Transformation`.

        Raises:
            SettingError: the mask is a video.
            PictureError: the mask has another aspect ratio.
            ModelFileError: the model cannot be run.
        """
        mask = self._mask_of_stills()
        return self.stylizer.stylize_all(pictures, self.settings, mask=mask, outside=self.outside)

    def _mask_of_stills(self) -> Mask | None:
        if isinstance(self.mask, MaskVideo):
            raise SettingError(
                f"{shown_path(self.mask.path)} is a video, and a mask of videos only; "
                "give a picture as the mask of a photograph"
            )
        assert not isinstance(self.mask, MaskFolder), "for_file chooses from a folder"
        return self.mask

    def batching(self) -> Batching[Picture]:
        """Which pictures go together: see `Transformation`."""

        def load(picture: Picture) -> Load:
            width, height = picture.width, picture.height
            if self.size is not None:
                width, height = fit_longer_side(width, height, self.size)
            return self.predictor.load_of(height, width, bits=picture.bits)

        return self.predictor.batching_by(load)

    def find_large(self, source: Path, output: Path) -> LargePicture | None:
        """A photograph too large for memory: see `Transformation`.

        None also where the strength is 0: a photograph that stays as it is needs no tiles.
        """
        if self.settings.strength == 0:
            return None
        return self.predictor.find_large(source, output, size=self.size)

    def transform_large(
        self, picture: LargePicture, **saving: Unpack[SavingKeywords]
    ) -> LargeResult:
        """Stylize a photograph from file to file: see `Transformation`.

        Raises:
            SettingError: the mask is a video.
            PictureFileError: the mask is missing, or cannot be read; further errors are those of
                `stylize_large`.
        """
        return stylize_large(
            picture,
            self.stylizer,
            self.settings,
            mask=self.for_file(str(picture.source))._mask_of_stills(),
            outside=self.outside,
            **saving,
        )

    def for_frames(self) -> tuple[TransformPictures, Batching[Picture]]:
        """The stylization of one video's frames: see `Transformation`."""
        of_frames = replace(self, settings=replace(self.settings, size=None))
        if self.stabilize:
            # Each frame needs the stylized frame before it.
            return of_frames._transform_stabilized(), ONE_BY_ONE
        if not isinstance(self.mask, MaskVideo):
            return of_frames.transform_all, of_frames.batching()
        settings, outside = of_frames.settings, self.outside
        masks = self._masks_of_frames()

        def transform(frames: Sequence[Picture]) -> list[Picture]:
            return stylize_by_masks(
                frames,
                masks,
                inside=partial(self.stylizer.stylize_all, settings=settings),
                outside=None
                if outside is None
                else partial(outside.stylize_all, settings=settings),
            )

        # One batch after the other: each takes the next masks.
        return transform, replace(of_frames.batching(), num_requests=1)

    def _transform_stabilized(self) -> TransformPictures:
        """Stylize frames with little flicker: each style on whole frames, which are then mixed.

        A mask may move across a picture that stands still: were the mixed frames stabilized, the
        mask before would show.
        """
        from impasto.runtime.video.stabilization import Stabilizer

        styles = [self.stylizer, *([self.outside] if self.outside else [])]
        masks = None if self.mask is None else self._masks_of_frames()

        def stylize(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
            frame = Picture(rgb)
            return np.concatenate([it.stylize(frame, self.settings).rgb for it in styles], axis=-1)

        stabilizer = Stabilizer(stylize)

        def transform(frame: Picture) -> Picture:
            stylized = stabilizer(frame.rgb)
            if masks is None:
                return frame.with_rgb(stylized)
            other = stylized[..., 3:] if self.outside else frame.rgb
            mask = next(masks).fitted(width=frame.width, height=frame.height)
            return frame.with_rgb(mix(stylized[..., :3], other, mask))

        return lambda frames: [transform(frame) for frame in frames]

    def _masks_of_frames(self) -> Iterator[Mask]:
        """The mask of each frame of a video, without end."""
        if isinstance(self.mask, MaskVideo):
            from impasto.runtime.video.mask_frames import mask_frames

            return mask_frames(self.mask.path)
        assert isinstance(self.mask, Mask), "for_file chooses from a folder"
        return repeat(self.mask)


@dataclass(frozen=True, slots=True)
class Enlargement:
    """Pictures and videos upscaled by super-resolution.

    Attributes:
        upscaler: the model.
    """

    upscaler: Upscaler

    @property
    def predictor(self) -> FittingPredictor:
        """The super-resolution model."""
        return self.upscaler.predictor

    @property
    def size(self) -> None:
        """Pictures are not resized first."""
        return

    def for_file(self, path: str) -> "Enlargement":  # noqa: ARG002  (all are upscaled alike)
        """The enlargement itself: see `Transformation`."""
        return self

    def transform(self, picture: Picture) -> Picture:
        """The upscaled picture: see `Transformation`."""
        return self.upscaler.upscale(picture)

    def transform_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The upscaled pictures: see `Transformation`."""
        return self.upscaler.upscale_all(pictures)

    def batching(self) -> Batching[Picture]:
        """Which pictures go together: see `Transformation`."""
        return self.predictor.batching_by(
            lambda picture: self.predictor.load_of(picture.height, picture.width, bits=picture.bits)
        )

    def find_large(self, source: Path, output: Path) -> LargePicture | None:
        """A picture too large for memory: see `Transformation`.

        None also where histograms are matched, which takes the whole picture.
        """
        if self.upscaler.matches_histogram:
            return None
        return self.predictor.find_large(source, output)

    def transform_large(
        self, picture: LargePicture, **saving: Unpack[SavingKeywords]
    ) -> LargeResult:
        """Upscale a picture from file to file: see `Transformation`."""
        return self.predictor.transform_large(picture, **saving)

    def for_frames(self) -> tuple[TransformPictures, Batching[Picture]]:
        """The enlargement of one video's frames: see `Transformation`."""
        return self.transform_all, self.batching()
