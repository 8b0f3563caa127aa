"""What a target found, on disk: Markdown for people, JSON for programs, pictures for both."""

import json
from pathlib import Path

from impasto.errors import PictureFileError
from impasto.evaluation.circumstances import Circumstances
from impasto.files import reason_of, write_whole
from impasto.images.files.io import Picture, save_picture
from impasto.reproduction.claim import Result

PICTURE_QUALITY = 88


def publish(
    name: str, claim: str, result: Result, folder: Path, *, measured: Circumstances, num_left: int
) -> list[Path]:
    """Write a result under its target's name; return the files.

    Args:
        name: of the target.
        claim: what it measures.
        result: what was found.
        folder: made if need be.
        measured: when, where and by what.
        num_left: units of work that there was no time for.

    Raises:
        PictureFileError: the folder cannot be written to.
    """
    places = {part: folder / f"{name}{part}.jpg" for part in result.pictures}
    shown = "".join(f"![{name}]({place.name})\n\n" for place in places.values())
    left = f"Not finished: {num_left} units of work are left.\n\n" if num_left else ""
    text = f"# {name}\n\n*{claim}*\n\n{result.text}\n\n{left}{shown}{measured}\n"
    content = {"claim": claim, **measured.as_dict(), "num_units_left": num_left, **result.content}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{name}.md", text.encode())
        data = json.dumps(content, indent=1, allow_nan=False) + "\n"
        write_whole(folder / f"{name}.json", data.encode())
    except OSError as error:
        raise PictureFileError(f"cannot write to {folder}: {reason_of(error)}") from error
    for part, place in places.items():
        picture = Picture(rgb=result.pictures[part])
        save_picture(picture, place, quality=PICTURE_QUALITY, overwrite=True)
    return [folder / f"{name}.md", folder / f"{name}.json", *places.values()]
