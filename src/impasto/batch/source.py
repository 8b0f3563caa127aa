"""Which pictures a batch is of, and what each becomes: a folder's, a list's, or a Parquet's.

That is worked out before any work is done, and refused then. Pictures in a Parquet are not listed,
only its row groups; their names are made as they come.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from impasto.batch.storage import Place, as_text, is_text
from impasto.errors import BatchError
from impasto.files import portable_name
from impasto.images.files.io import READABLE_SUFFIXES
from impasto.images.formats.encoding import WRITABLE_SUFFIXES
from impasto.web import is_web_address

PARQUET_SUFFIX = ".parquet"
DEFAULT_FORMAT = "png"
DEFAULT_PARQUET_FORMAT = "jpg"

MAX_LIST_BYTES = 2**28
"""Some three million lines, as many as the machine that drives a batch can hold."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_ENTRY = "the list has {!r}; expected paths and addresses of pictures"


@dataclass(frozen=True, slots=True)
class Item:
    """A picture to work on.

    Attributes:
        source: what the manifest calls it.
        location: where it is read from: a path or an address.
        target: the name of the file it becomes, below the output.
        error: why it cannot be worked on, if that is known already.
    """

    source: str
    location: str
    target: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ParquetColumns:
    """Where a Parquet has its pictures.

    Attributes:
        id: the column of what they are called.
        bytes: the column of files, as bytes, or a struct with `bytes` in it.
    """

    id: str
    bytes: str


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A part of a Parquet, as a task.

    Attributes:
        location: of the file: a path or an address.
        row_group: its number there.
    """

    location: str
    row_group: int


def is_parquet(place: Place) -> bool:
    """Whether a place is a Parquet by name, or a folder of such files without pictures."""
    if place.path.endswith(PARQUET_SUFFIX):
        return True
    if not place.is_folder:
        return False
    suffixes = {PurePosixPath(name).suffix.lower() for name in place.sizes()}
    return PARQUET_SUFFIX in suffixes and not suffixes & READABLE_SUFFIXES


def list_items(
    place: Place,
    output: Place,
    *,
    picture_format: str | None,
    on_special: Callable[[Path, str], None] | None = None,
) -> list[Item]:
    """The pictures of a folder or a list.

    A line that cannot be understood, and a name that is no text, are items with an error.

    Args:
        place: a folder, or a text file with a path or address on each line; empty lines and those
            that begin with `#` are left out, relative paths begin where the list is.
        output: what is below it is left out.
        picture_format: suffix of what is written; None keeps a picture's own where it can be
            written, and else adds `.png`.
        on_special: is told of pipes, devices and sockets in a folder, which are passed over.

    Raises:
        BatchError: neither, no pictures, or two that would become the same file.
    """
    if place.is_folder:
        items = _items_of_folder(place, output, picture_format, on_special)
    elif not place.is_file:
        raise BatchError(f"{place.name} is not there; expected a folder, a list or a Parquet")
    elif PurePosixPath(place.path).suffix.lower() in READABLE_SUFFIXES:
        raise BatchError(
            f"{place.name} is a single picture; expected a folder, a list (a text file) or a "
            f"Parquet: 'impasto stylize' and 'impasto upscale' take single ones"
        )
    else:
        items = _items_of_list(place, picture_format)
    if not items:
        raise BatchError(f"there are no pictures in {place.name}; give a folder or list with some")
    _check_clashes(items)
    return items


def target_of_id(identifier: str, picture_format: str | None) -> str:
    """The name of the file that a picture of a Parquet becomes: its id, `/` being folders.

    Raises:
        BatchError: the id is no name that stays below the output.
    """
    parts = identifier.split("/")
    if not identifier.isprintable() or not all(parts) or {".", ".."} & set(parts):
        raise BatchError(
            f"the id {identifier[:80]!r} cannot be a file's name; expected words with / between"
        )
    return _portable(f"{identifier}.{picture_format or DEFAULT_PARQUET_FORMAT}")


def find_columns(
    place: Place, *, id_column: str | None = None, bytes_column: str | None = None
) -> ParquetColumns:
    """Where a Parquet has its pictures, by what its schema says where that is not told.

    Raises:
        BatchError: it cannot be read, or has no such columns, or several.
    """
    try:
        schema = pyarrow.dataset.dataset(
            place.path, filesystem=place.filesystem, format="parquet"
        ).schema
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise BatchError(f"{place.name} cannot be read as Parquet ({reason})") from None
    holders = [field.name for field in schema if _holds_bytes(field.type)]
    names = [field.name for field in schema if _is_name(field.type)]
    return ParquetColumns(
        id=_choose(place, "id", id_column, ["id"] if "id" in names else names, schema.names),
        bytes=_choose(
            place, "bytes", bytes_column, ["bytes"] if "bytes" in holders else holders, schema.names
        ),
    )


def list_row_groups(place: Place) -> tuple[list[RowGroup], int]:
    """The row groups of a Parquet, and how many rows they have in all.

    Raises:
        BatchError: a file cannot be read.
    """
    files = [place]
    if not place.is_file:
        names = sorted(name for name in place.sizes() if name.endswith(PARQUET_SUFFIX))
        files = [place.inside(name) for name in names if name.rpartition("/")[2][0] not in "_."]
    groups, num_rows = [], 0
    for file in files:
        try:
            metadata = pyarrow.parquet.read_metadata(file.path, filesystem=file.filesystem)
        except (OSError, ValueError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())[:200]
            name = as_text(file.name)
            raise BatchError(f"{name} cannot be read as Parquet ({reason})") from None
        groups += [RowGroup(file.name, number) for number in range(metadata.num_row_groups)]
        num_rows += metadata.num_rows
    return groups, num_rows


def _items_of_folder(
    place: Place,
    output: Place,
    picture_format: str | None,
    on_special: Callable[[Path, str], None] | None,
) -> list[Item]:
    inside = ""
    if output.filesystem == place.filesystem:
        below = output.path.removeprefix(place.path.rstrip("/") + "/")
        inside = below + "/" if below != output.path else ""
    return [
        Item(name, place.inside(name).name, _target(name, picture_format))
        if is_text(name)
        else _refused(as_text(name), "its name is no text in UTF-8; rename it")
        for name in place.pictures(on_special=on_special)
        if not (inside and name.startswith(inside))  # what an earlier call made is no photograph
    ]


def _items_of_list(place: Place, picture_format: str | None) -> list[Item]:
    """Names are as they stand, but for blanks around them; one bad line is one bad picture."""
    data = place.read(max_bytes=MAX_LIST_BYTES).removeprefix(_BYTE_ORDER_MARK)
    lines = (line.strip() for line in data.split(b"\n"))
    entries = dict.fromkeys(line for line in lines if line and not line.startswith(b"#"))
    folder = place.name.rpartition("/")[0] or "."
    items = [_item_of_line(line, folder, picture_format) for line in entries]
    if items and all(item.error for item in items):
        raise BatchError(f"{place.name}: {items[0].error}")
    return items


def _item_of_line(line: bytes, folder: str, picture_format: str | None) -> Item:
    try:
        entry = line.decode()
    except UnicodeDecodeError:
        entry = ""
    if not entry or "\0" in entry:
        return _refused(line.decode(errors="backslashreplace"), "it is no text in UTF-8")
    try:
        return _item_of_entry(entry, folder, picture_format)
    except ValueError:  # an address whose server is none
        return _refused(entry, _NO_ENTRY.format(entry[:200]))


def _item_of_entry(entry: str, folder: str, picture_format: str | None) -> Item:
    """A relative path keeps its folders; of an address, the server or bucket is the first one."""
    if "://" in entry:
        parts = urlsplit(entry)
        location, name = entry, f"{parts.netloc.rpartition('@')[2]}/{parts.path.lstrip('/')}"
    elif entry.startswith("/"):
        location, name = entry, entry.lstrip("/")
    else:
        location, name = f"{folder}/{entry}", entry.removeprefix("./")
    if not PurePosixPath(name).name or ".." in name.split("/"):
        return _refused(entry, _NO_ENTRY.format(entry[:200]))
    if is_web_address(entry):
        name = re.sub(r"[^\w./-]", "_", name)
    return Item(entry, location, _target(name, picture_format))


def _refused(source: str, error: str) -> Item:
    return Item(source, "", "", error)


def _target(name: str, picture_format: str | None) -> str:
    path = PurePosixPath(name)
    if picture_format is not None:
        return _portable(str(path.with_suffix(f".{picture_format}")))
    return _portable(
        name if path.suffix.lower() in WRITABLE_SUFFIXES else f"{name}.{DEFAULT_FORMAT}"
    )


def _portable(name: str) -> str:
    """A name with folders that this system can have."""
    return "/".join(map(portable_name, name.split("/")))


def _check_clashes(items: list[Item]) -> None:
    sources: dict[str, str] = {}
    for item in items:
        if item.error is not None:
            continue
        other = sources.setdefault(item.target, item.source)
        if other != item.source:
            raise BatchError(
                f"{other} and {item.source} would both become {item.target}; rename one of them, "
                f"or leave --format out"
            )


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_name(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
    )


def _choose(
    place: Place, what: str, told: str | None, possible: list[str], names: list[str]
) -> str:
    there = ", ".join(names[:12])
    if told is not None:
        if told not in names:
            raise BatchError(f"{place.name} has no column {told[:80]!r}; it has {there}")
        return told
    if len(possible) != 1:
        raise BatchError(
            f"{place.name} has the columns {there}; name the one to use with --{what}-column"
        )
    return possible[0]
