"""One video on the command line: how far it is, what could not be kept, what was made."""

from typing import TYPE_CHECKING, Any

from impasto.cli.display.console import print_note
from impasto.cli.display.progress import PictureProgress
from impasto.cli.display.video_progress import ClipProgress
from impasto.cli.files.jobs import Job
from impasto.cli.options import WritingOptions

if TYPE_CHECKING:
    from impasto.runtime.transformation import Transformation


def run_clip(
    job: Job,
    transformation: "Transformation",
    writing: WritingOptions,
    progress: PictureProgress,
) -> dict[str, Any]:
    """Transform one video; return what was done, for JSON.

    Args:
        job: which video goes where.
        transformation: what is done to its frames.
        writing: how it is written.
        progress: of all pictures and videos, if there are several.

    Raises:
        ImpastoError: as `transform_video` does.
    """
    from impasto.runtime.video.transform import transform_video

    with ClipProgress(job.source, beside=progress) as clip_progress:
        summary = transform_video(
            transformation,
            job.source,
            job.target,
            quality=writing.quality,
            overwrite=writing.overwrite,
            on_progress=clip_progress.show,
        )
    for note in summary.notes:
        print_note(f"{job.source}: {note}")
    return {
        "clip": job.source,
        "film": job.target,
        "width": summary.width,
        "height": summary.height,
        "frames": summary.num_frames,
        "seconds": round(summary.seconds, 3),
        "notes": list(summary.notes),
        "precision": transformation.predictor.precision,
    }
