"""The exceptions Impasto raises, each also the built-in error it refines.

ImpastoError
├── PictureError (ValueError)          an array or tensor that is no picture or features as agreed
│   └── NotFiniteError                 … that has NaN or infinity in it
├── SettingError (ValueError)          a setting out of range, or two that do not go together
├── PictureFileError (OSError)         a file that cannot be read or written as a picture
├── VideoFileError (OSError)           a file that cannot be read or written as a film
├── VideoInterrupted (RuntimeError)    a film stopped from outside, its finished part kept
├── CameraError (OSError)              a camera or window that is not there
├── OutputExistsError (FileExistsError)  a file that would be overwritten without leave
│   └── OutputAppearedError            … that appeared while the work went on, which is kept beside
├── ModelFileError (ValueError)        a model file that is not ours, is damaged or cannot run
├── ForkError (RuntimeError)           a model in a process forked after one was opened
├── UnknownModelError (LookupError)    a name no model has
├── DownloadError (OSError)            what cannot be had from an address
├── WeightsError (ValueError)          loss-network weights that do not fit
├── RecipeError (ValueError)           a training setting that is unknown or out of range
├── DataError (ValueError)             training photographs that are missing or unusable
├── CheckpointError (ValueError)       a checkpoint that is damaged, or of another run or network
├── TrainingError (RuntimeError)       a training that cannot go on
├── TrainingInterrupted (RuntimeError) a training stopped from outside, its state saved
├── BatchError (RuntimeError)          a batch that cannot begin or go on
├── ExportError (RuntimeError)         a model file that disagrees with the network it was made from
└── MissingExtraError (ImportError)    an optional part of the install that is not there

A message says what was given, what was expected, and what to do next.
"""

import signal
from pathlib import Path


class ImpastoError(Exception):
    """Whatever Impasto raises on purpose; the command line prints it as one line."""


class PictureError(ImpastoError, ValueError):
    """An array or tensor of the wrong rank, shape, type or range, or with NaN."""


class NotFiniteError(PictureError):
    """Pictures, features or a loss with NaN or infinity in them."""


class SettingError(ImpastoError, ValueError):
    """A setting out of range or of no known name, or two that do not go together."""


class PictureFileError(ImpastoError, OSError):
    """A file that cannot be read or written as a picture."""


class VideoFileError(ImpastoError, OSError):
    """A file that cannot be read or written as a film."""


class VideoInterrupted(ImpastoError, RuntimeError):  # noqa: N818  (an interruption is no error)
    """A film stopped from outside; its message says where the finished part is."""


class CameraError(ImpastoError, OSError):
    """A camera that cannot be opened, or no window to show it in."""


class OutputExistsError(ImpastoError, FileExistsError):
    """A file that is there already and may not be overwritten."""


class OutputAppearedError(OutputExistsError):
    """A file that appeared where the output goes while the work went on."""

    def __init__(self, path: Path, *, kept: Path) -> None:
        """Say where the finished work is."""
        super().__init__(f"{path} appeared meanwhile and was kept; the finished work is in {kept}")
        self.kept = kept


class ModelFileError(ImpastoError, ValueError):
    """A model file that is not ours, is damaged, or cannot be run."""


class ForkError(ImpastoError, RuntimeError):
    """A model in a process that was forked after one was opened; it would wait for ever."""


class UnknownModelError(ImpastoError, LookupError):
    """A model name that nobody registered."""


class DownloadError(ImpastoError, OSError):
    """An address that cannot be reached or understood, or has not what was wanted."""


class WeightsError(ImpastoError, ValueError):
    """Loss-network weights that are damaged or do not fit the network."""


class RecipeError(ImpastoError, ValueError):
    """A training setting that is unknown, missing or out of range."""


class DataError(ImpastoError, ValueError):
    """Training photographs that are missing or unusable."""


class CheckpointError(ImpastoError, ValueError):
    """A checkpoint that is damaged, or belongs to another run or network."""


class TrainingError(ImpastoError, RuntimeError):
    """A training that cannot go on."""


class TrainingInterrupted(ImpastoError, RuntimeError):  # noqa: N818  (an interruption is no error)
    """A training stopped from outside; its message says where the state was saved."""

    def __init__(self, message: str, *, signal_number: int = signal.SIGINT) -> None:
        """Say what happened, and by which signal."""
        super().__init__(message)
        self.signal_number = signal_number


class BatchError(ImpastoError, RuntimeError):
    """A batch whose pictures, output or workers are not as they must be."""


class ExportError(ImpastoError, RuntimeError):
    """A model file whose output disagrees with the network it was made from."""


class MissingExtraError(ImpastoError, ImportError):
    """An optional part of the install that is not there."""

    def __init__(self, package: str, *, extra: str) -> None:
        """Say which package is missing and which extra brings it."""
        super().__init__(
            f"this needs the package {package!r}, which is not installed; "
            f"install Impasto with its extra {extra!r}: pip install '.[{extra}]' in its folder"
        )
