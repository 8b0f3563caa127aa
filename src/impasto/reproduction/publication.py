"""A measured claim on disk: Markdown for people, JSON for programs, pictures for both."""

import json
from pathlib import Path

from impasto.errors import PictureFileError
from impasto.evaluation.circumstances import Circumstances
from impasto.files import reason_of, write_whole
from impasto.images.files.io import Picture, save_picture
from impasto.reproduction.claim import Result

PICTURE_QUALITY = 88


def publish(
    name: str,
    statement: str,
    result: Result,
    folder: Path,
    *,
    measured: Circumstances,
    num_left: int,
) -> list[Path]:
    """Write a result under its claim's name; return the files.

    Args:
        name: of the claim.
        statement: of the claim.
        result: of its measurement.
        folder: made if need be.
        measured: when, where and how.
        num_left: units of work that there was no time for.

    Raises:
        PictureFileError: the folder cannot be written to.
    """
    paths = {part: folder / f"{name}{part}.jpg" for part in result.pictures}
    links = "".join(f"![{name}]({path.name})\n\n" for path in paths.values())
    unfinished = f"Not finished: {num_left} units of work are left.\n\n" if num_left else ""
    text = f"# {name}\n\n*{statement}*\n\n{result.text}\n\n{unfinished}{links}{measured}\n"
    content = {
        "claim": statement,
        **measured.as_dict(),
        "num_units_left": num_left,
        **result.content,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{name}.md", text.encode())
        # NaN is not JSON: other programs would refuse the whole file.
        data = json.dumps(content, indent=1, allow_nan=False) + "\n"
        write_whole(folder / f"{name}.json", data.encode())
    except OSError as error:
        raise PictureFileError(f"cannot write to {folder}: {reason_of(error)}") from error
    for part, path in paths.items():
        picture = Picture(rgb=result.pictures[part])
        save_picture(picture, path, quality=PICTURE_QUALITY, overwrite=True)
    return [folder / f"{name}.md", folder / f"{name}.json", *paths.values()]
