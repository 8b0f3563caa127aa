"""One film on the command line: how far it is, what could not be kept, what was made."""

from typing import TYPE_CHECKING, Any, Protocol

from impasto.cli.display.console import print_note
from impasto.cli.display.progress import PictureProgress, video_progress
from impasto.cli.files.jobs import Job

if TYPE_CHECKING:
    from impasto.runtime.video.transform import OnProgress, VideoSummary


class TransformClip(Protocol):
    """Makes one film of another, from file to file."""

    def __call__(
        self,
        source: str,
        target: str,
        *,
        quality: int,
        overwrite: bool,
        on_progress: "OnProgress",
    ) -> "VideoSummary":
        """Write the film, and say what was written."""
        ...


def run_clip(
    job: Job,
    transform: TransformClip,
    *,
    quality: int,
    overwrite: bool,
    progress: PictureProgress,
) -> dict[str, Any]:
    """Make one film; return what was done, for JSON.

    Args:
        job: which film goes where.
        transform: what makes it.
        quality: 1 to 100.
        overwrite: replace a file that is there.
        progress: of all pictures and films, if there are several.

    Raises:
        ImpastoError: as `transform` does.
    """
    with video_progress(job.source, beside=progress) as on_progress:
        made = transform(
            job.source,
            job.target,
            quality=quality,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    for note in made.notes:
        print_note(f"{job.source}: {note}")
    return {
        "clip": job.source,
        "film": job.target,
        "width": made.width,
        "height": made.height,
        "frames": made.num_frames,
        "seconds": round(made.seconds, 3),
        "notes": list(made.notes),
    }
