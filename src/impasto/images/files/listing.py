"""Listing the pictures in a folder by their suffixes; files are not opened."""

import os
from collections.abc import Callable, Collection
from pathlib import Path

from impasto.errors import PictureFileError
from impasto.images.formats.encoding import WRITABLE_SUFFIXES
from impasto.system.input_files import special_kind
from impasto.system.visible_text import one_line, shown_path

READABLE_SUFFIXES = frozenset({*WRITABLE_SUFFIXES, ".jpe", ".dib", ".ppm", ".pgm", ".pbm"})
"""Suffixes that `list_pictures` lists. `load_picture` goes by content and takes any."""


def list_pictures(
    folder: str | os.PathLike[str],
    *,
    also: Collection[str] = (),
    on_unreadable: Callable[[Path, PictureFileError], None] | None = None,
    on_special: Callable[[Path, str], None] | None = None,
) -> list[Path]:
    """The pictures in a folder and the folders in it, sorted by path, by suffix.

    Pipes, devices and sockets with such names, and links to them, are skipped.

    Args:
        folder: where to look. Hidden files and folders, and links to folders, are left out.
        also: suffixes of other files to list, in lower case.
        on_unreadable: called with an inner folder that may not be read, and the error; the folder
            is then skipped. Without it, such a folder is an error.
        on_special: called with each skipped pipe, device or socket, and its kind, such as
            `a named pipe`.

    Returns:
        Paths that begin with `folder`; their content is not looked at.

    Raises:
        PictureFileError: the folder is missing, a file, or may not be read.
    """
    pictures: list[Path] = []

    def failed(error: OSError) -> None:
        unreadable = Path(error.filename or folder)
        if on_unreadable is None or unreadable == Path(folder):
            raise error
        message = f"{shown_path(unreadable)} cannot be listed ({one_line(error)})"
        on_unreadable(unreadable, PictureFileError(message))

    suffixes = READABLE_SUFFIXES.union(also)
    try:
        for parent, folders, files in os.walk(folder, onerror=failed):
            # In place: `os.walk` goes down into those that this list still has.
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if name.startswith(".") or Path(name).suffix.lower() not in suffixes:
                    continue
                path = Path(parent, name)
                if (kind := special_kind(path)) is None:
                    pictures.append(path)
                elif on_special is not None:
                    on_special(path, kind)
    except FileNotFoundError as error:
        raise PictureFileError(
            f"{shown_path(folder)} does not exist; expected a folder of pictures"
        ) from error
    except NotADirectoryError as error:
        raise PictureFileError(
            f"{shown_path(folder)} is a file; expected a folder of pictures"
        ) from error
    except (OSError, ValueError) as error:
        raise PictureFileError(
            f"{shown_path(folder)} cannot be listed ({one_line(error)})"
        ) from error
    return sorted(pictures)
