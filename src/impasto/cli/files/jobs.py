"""Which photograph or video becomes which file, planned and checked before any work is done.

Nothing is read here but folders. What is done for a job: `steps`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import PictureFileError
from impasto.files import exists_already
from impasto.runtime.video.suffixes import READABLE_SUFFIXES as VIDEO_SUFFIXES
from impasto.runtime.video.suffixes import WRITABLE_SUFFIXES as WRITABLE_VIDEO_SUFFIXES
from impasto.runtime.video.suffixes import is_video

PIPE = "-"
DEFAULT_SUFFIX = ".png"
DEFAULT_VIDEO_SUFFIX = ".mp4"


@dataclass(frozen=True, slots=True)
class Job:
    """A photograph or video and the file that its result goes to; `-` is the pipe."""

    source: str
    output: str


OnUnreadable = Callable[[Path, PictureFileError], None]
"""Called with a folder that may not be read."""

OnSpecial = Callable[[Path, str], None]
"""Called with a path that is no file, and its kind, such as `a named pipe`."""


def plan_jobs(
    photos: list[str],
    output: str,
    *,
    on_unreadable: OnUnreadable | None = None,
    on_special: OnSpecial | None = None,
) -> list[Job]:
    """The jobs of a command, each photograph once.

    One photograph becomes the file `output`, or goes into the folder of that name. Several, or a
    folder of them, go into the folder `output`, which need not exist; nested folders are kept.
    A name whose suffix can only be read gets `.png` behind it, that of a video `.mp4`.

    Args:
        photos: files, folders, or the pipe. Files need not exist.
        output: file, folder (one that exists or ends in a slash), or the pipe.
        on_unreadable: called for folders inside that may not be read; without it they are an error.
        on_special: called for pipes, devices and sockets inside, which are left out.

    Raises:
        PictureFileError: an empty name, a folder without pictures, several pictures for a file
            or pipe, or two photographs for one output.
    """
    if "" in (output, *photos):
        raise PictureFileError("a name is empty; expected a file, a folder, or - for a pipe")
    # A path that does not exist is taken for a file, whose error comes when it is read.
    if len(photos) == 1 and (photos[0] == PIPE or not Path(photos[0]).is_dir()):
        if output != PIPE and _is_folder(output):
            name = Path("picture.png" if photos[0] == PIPE else photos[0]).name
            output = str(Path(output) / _writable_name(Path(name)))
        return [Job(photos[0], output)]
    if PIPE in (output, *photos):
        raise PictureFileError("a pipe holds one picture; give files or folders, and a folder -o")
    folder = Path(output)
    # A new name with a picture's suffix is a file that was meant, and hardly a folder.
    if folder.is_file() or (_is_writable(folder) and not _is_folder(output)):
        raise PictureFileError(
            f"{output} names one file and there are several photographs; "
            f"give a folder for -o, with a / at its end if it is a new one"
        )
    jobs = [
        job
        for photo in photos
        for job in _jobs_below(Path(photo), folder, on_unreadable, on_special)
    ]
    sources: dict[str, str] = {}
    for job in jobs:
        other = sources.setdefault(job.output, job.source)
        if other != job.source:
            raise PictureFileError(
                f"{other} and {job.source} would both become {job.output}; rename one of them"
            )
    # A photograph that is named twice, or lies in a folder that is named too, is done once.
    return list(dict.fromkeys(jobs))


def check_outputs(jobs: list[Job], *, overwrite: bool) -> None:
    """Refuse before the work begins what would be refused at its end.

    Raises:
        OutputExistsError: an output exists and may not be replaced.
        PictureFileError: an output is a folder, has a suffix no format has, is a picture where
            the source is a video or the other way round, or is itself one of the photographs.
    """
    photographs = {_identity(Path(job.source)) for job in jobs if job.source != PIPE}
    for job in jobs:
        _check_kind(job)
        if job.output != PIPE:
            _check_output(Path(job.output), photographs, overwrite=overwrite)


def _check_kind(job: Job) -> None:
    if is_video(job.source) and job.output == PIPE:
        raise PictureFileError(f"{job.source} is a video and needs a file; give one for -o")
    if job.output != PIPE and is_video(job.source) != is_video(job.output):
        result, ending = ("video", "mp4") if is_video(job.source) else ("picture", "png")
        raise PictureFileError(
            f"{job.source} becomes a {result}, and {job.output} is none; "
            f"choose a name that ends in .{ending} or the like"
        )


def _check_output(output: Path, photographs: set[object], *, overwrite: bool) -> None:
    from impasto.images.files.io import WRITABLE_SUFFIXES

    if output.is_dir():
        raise PictureFileError(f"{output} is a folder; expected the name of a file")
    if not _is_writable(output):
        raise PictureFileError(
            f"{output} ends in no suffix of a format that can be written; "
            f"expected one of {', '.join((*WRITABLE_SUFFIXES, *WRITABLE_VIDEO_SUFFIXES))}, "
            f"or a / for a new folder"
        )
    if not output.exists():
        return
    if _identity(output) in photographs:
        raise PictureFileError(f"{output} is itself one of the photographs; choose another output")
    if not overwrite:
        raise exists_already(output, remedy="--overwrite, or --skip-existing")


def _identity(path: Path) -> object:
    """A value that two paths share if they lead to one file."""
    try:
        status = path.stat()
    except OSError:
        return path  # nothing is there, so no other path leads to it
    # By the file, not by the name: links, `..` and case-insensitive disks hide that two are one.
    return status.st_dev, status.st_ino


def _is_folder(path: str) -> bool:
    return path.endswith(("/", os.sep)) or Path(path).is_dir()


def _jobs_below(
    photo: Path, folder: Path, on_unreadable: OnUnreadable | None, on_special: OnSpecial | None
) -> list[Job]:
    from impasto.images.files.io import list_pictures

    if not photo.is_dir():
        return [Job(str(photo), str(folder / _writable_name(Path(photo.name))))]
    paths = list_pictures(
        photo, also=VIDEO_SUFFIXES, on_unreadable=on_unreadable, on_special=on_special
    )
    names = [path.relative_to(photo) for path in paths]
    # An output folder inside the input holds the results of earlier calls, not photographs.
    real_output, real_input = Path(os.path.realpath(folder)), Path(os.path.realpath(photo))
    if real_output != real_input and real_output.is_relative_to(real_input):
        inner = real_output.relative_to(real_input)
        names = [name for name in names if not name.is_relative_to(inner)]
    if not names:
        raise PictureFileError(f"there are no pictures in {photo}; give a folder of photographs")
    return [Job(str(photo / name), str(folder / _writable_name(name))) for name in names]


def _writable_name(path: Path) -> Path:
    """The name if its suffix can be written, else that of a PNG, or of an MP4 for a video."""
    if _is_writable(path):
        return path
    return path.with_name(path.name + (DEFAULT_VIDEO_SUFFIX if is_video(path) else DEFAULT_SUFFIX))


def _is_writable(path: Path) -> bool:
    from impasto.images.files.io import WRITABLE_SUFFIXES

    return path.suffix.lower() in (*WRITABLE_SUFFIXES, *WRITABLE_VIDEO_SUFFIXES)
