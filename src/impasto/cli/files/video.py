"""One video on the command line: its progress, its notes, its line of JSON."""

from typing import TYPE_CHECKING, Any

from impasto.cli.display.console import print_note
from impasto.cli.display.progress import PictureProgress, video_progress
from impasto.cli.files.jobs import Job
from impasto.cli.options import WritingOptions

if TYPE_CHECKING:
    from impasto.runtime.transformation import Transformation


def run_video(
    job: Job,
    transformation: "Transformation",
    writing: WritingOptions,
    progress: PictureProgress,
) -> dict[str, Any]:
    """Transform one video; return its line of JSON.

    Args:
        job: the video and its output.
        transformation: applied to its frames.
        writing: how it is written.
        progress: the bar of all pictures and videos, if there are several.

    Raises:
        ImpastoError: as `transform_video` does.
    """
    from impasto.runtime.video.transform import transform_video

    with video_progress(job.source, beside=progress) as on_progress:
        summary = transform_video(
            transformation,
            job.source,
            job.output,
            quality=writing.quality,
            overwrite=writing.overwrite,
            on_progress=on_progress,
        )
    for note in summary.notes:
        print_note(f"{job.source}: {note}")
    return {
        "video": job.source,
        "output": job.output,
        "width": summary.width,
        "height": summary.height,
        "frames": summary.num_frames,
        "seconds": round(summary.seconds, 3),
        "notes": list(summary.notes),
        "precision": transformation.predictor.precision,
    }
