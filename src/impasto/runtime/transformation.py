"""What is done to every picture of a command, batch or video: a stylization or an enlargement.

Both have the methods of `Transformation`, so that files, workers and videos need not know which
of them they apply. Opening a model is `Stylizer`'s and `Upscaler`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Unpack

from impasto.images.picture import Picture
from impasto.images.resize import fit_longer_side
from impasto.runtime.batching import ONE_BY_ONE, Batching, Load
from impasto.runtime.fitting_predictor import FittingPredictor
from impasto.runtime.stylizer import DEFAULT_STYLE, StyleSettings, Stylizer
from impasto.runtime.tiles.large_pictures import LargePicture, LargeResult, SavingKeywords
from impasto.runtime.upscaler import Upscaler

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
    """

    stylizer: Stylizer
    settings: StyleSettings = DEFAULT_STYLE
    stabilize: bool = False

    @property
    def predictor(self) -> FittingPredictor:
        """The style's model."""
        return self.stylizer.predictor

    @property
    def size(self) -> int | None:
        """Longer side in pixels that photographs are resized to first; None keeps their own."""
        return self.settings.size

    def transform(self, picture: Picture) -> Picture:
        """The stylized picture: see `Transformation`."""
        return self.stylizer.stylize(picture, self.settings)

    def transform_all(self, pictures: Sequence[Picture]) -> list[Picture]:
        """The stylized pictures: see `Transformation`."""
        return self.stylizer.stylize_all(pictures, self.settings)

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
        """Stylize a photograph from file to file: see `Transformation`."""
        return self.predictor.transform_large(picture, finish=self.settings.finish, **saving)

    def for_frames(self) -> tuple[TransformPictures, Batching[Picture]]:
        """The stylization of one video's frames: see `Transformation`."""
        of_frames = replace(self, settings=replace(self.settings, size=None))
        if not self.stabilize:
            return of_frames.transform_all, of_frames.batching()
        from impasto.runtime.video.stabilization import Stabilizer

        stabilizer = Stabilizer(lambda rgb: of_frames.transform(Picture(rgb)).rgb)

        def transform(frames: Sequence[Picture]) -> list[Picture]:
            return [frame.with_rgb(stabilizer(frame.rgb)) for frame in frames]

        return transform, ONE_BY_ONE  # each frame needs the stylized frame before it


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
