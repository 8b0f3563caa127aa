"""The exceptions Impasto raises, each also the built-in error it refines.

ImpastoError
├── PictureError (ValueError)          an array or tensor of the wrong shape, type or range
│   └── NotFiniteError                 an array, tensor or loss with NaN or infinity
├── SettingError (ValueError)          a setting out of range, or two that exclude each other
├── PictureFileError (OSError)         a picture file that cannot be read or written
├── VideoFileError (OSError)           a video file that cannot be read or written
├── VideoInterrupted (RuntimeError)    a video stopped by a signal; its finished part is saved
├── CameraError (OSError)              a camera or a window that cannot be opened
├── OutputExistsError (FileExistsError)  an output file that exists and may not be replaced
│   └── OutputAppearedError            an output file that appeared during the work
├── ModelFileError (ValueError)        a model file that is foreign, damaged or cannot run
├── ForkError (RuntimeError)           a model used in a process that was forked too late
├── UnknownModelError (LookupError)    a name that no model has
├── DownloadError (OSError)            a URL that cannot be read
├── WeightsError (ValueError)          loss-network weights that are damaged or do not fit
├── RecipeError (ValueError)           a training setting that is unknown or out of range
├── DataError (ValueError)             training photographs that are missing or unusable
├── CheckpointError (ValueError)       a checkpoint that is damaged, or of another run or network
├── TrainingError (RuntimeError)       a training that cannot go on
├── TrainingInterrupted (RuntimeError) a training stopped by a signal; its state is saved
├── BatchError (RuntimeError)          a batch that cannot begin or go on
├── ExportError (RuntimeError)         a model file that disagrees with its network
└── MissingExtraError (ImportError)    an optional dependency that is not installed

A message names the value, what was expected, and what to do next.
"""

import signal
from pathlib import Path


class ImpastoError(Exception):
    """Base of every error that Impasto raises; the command line prints it as one line."""


class PictureError(ImpastoError, ValueError):
    """An array or tensor has the wrong rank, shape, type or range, or holds NaN."""


class NotFiniteError(PictureError):
    """Pictures, features or a loss contain NaN or infinity."""


class SettingError(ImpastoError, ValueError):
    """A setting is out of range or unknown, or two settings exclude each other."""


class PictureFileError(ImpastoError, OSError):
    """A picture file cannot be read or written."""


class VideoFileError(ImpastoError, OSError):
    """A video file cannot be read or written."""


class VideoInterrupted(ImpastoError, RuntimeError):  # noqa: N818  (an interruption is no error)
    """A signal stopped a video; the message says where its finished part is."""


class CameraError(ImpastoError, OSError):
    """A camera cannot be opened, or the window that shows its pictures."""


class OutputExistsError(ImpastoError, FileExistsError):
    """The output file exists and may not be overwritten."""


class OutputAppearedError(OutputExistsError):
    """A file appeared at the output's path during the work; the result is saved beside it.

    Attributes:
        saved_path: of the result.
    """

    def __init__(self, path: Path, *, saved_path: Path) -> None:
        """The message names both paths."""
        super().__init__(
            # Both paths: the work is not where it was asked for, and somebody has to find it.
            f"{path} appeared meanwhile and was kept; the finished work is in {saved_path}"
        )
        self.saved_path = saved_path


class ModelFileError(ImpastoError, ValueError):
    """A model file is not one of ours, is damaged, or cannot be run."""


class ForkError(ImpastoError, RuntimeError):
    """The process was forked after a model was opened; a model would hang in it."""


class UnknownModelError(ImpastoError, LookupError):
    """No model is registered under the name."""


class DownloadError(ImpastoError, OSError):
    """A URL is malformed, cannot be reached, or does not serve the expected file."""


class WeightsError(ImpastoError, ValueError):
    """Loss-network weights are damaged or do not fit the network."""


class RecipeError(ImpastoError, ValueError):
    """A training setting is unknown, missing or out of range."""


class DataError(ImpastoError, ValueError):
    """Training photographs are missing or unusable."""


class CheckpointError(ImpastoError, ValueError):
    """A checkpoint is damaged, or belongs to another run or network."""


class TrainingError(ImpastoError, RuntimeError):
    """A training cannot go on."""


class TrainingInterrupted(ImpastoError, RuntimeError):  # noqa: N818  (an interruption is no error)
    """A signal stopped a training; the message says where its state is saved."""

    def __init__(self, message: str, *, signal_number: int = signal.SIGINT) -> None:
        """Keep the number of the signal for the exit status."""
        super().__init__(message)
        self.signal_number = signal_number


class BatchError(ImpastoError, RuntimeError):
    """A batch cannot begin or go on: its pictures, output or workers are not usable."""


class ExportError(ImpastoError, RuntimeError):
    """The output of a model file disagrees with the network it was exported from."""


class MissingExtraError(ImpastoError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, *, extra: str) -> None:
        """The message names the missing package and the extra that installs it."""
        super().__init__(
            f"this needs the package {package!r}, which is not installed; "
            f"install Impasto with its extra {extra!r}: pip install '.[{extra}]' in its folder"
        )
