"""The pictures of a batch and the names of their results: of a folder, a list or a Parquet.

All of it is planned and checked before the work begins. Of a Parquet only the row groups are
listed; its workers name the results as they read the rows.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from impasto.batch.storage import StoragePath, as_text, is_text
from impasto.errors import BatchError
from impasto.files import portable_name
from impasto.images.files.io import READABLE_SUFFIXES
from impasto.images.formats.encoding import WRITABLE_SUFFIXES
from impasto.web import is_web_address

PARQUET_SUFFIX = ".parquet"
DEFAULT_FORMAT = "png"
DEFAULT_PARQUET_FORMAT = "jpg"

MAX_LIST_BYTES = 2**28
"""Some three million lines, as many as the machine that runs a batch can hold."""

_NAME_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
"""Types of a column that can name pictures."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_ENTRY = "the list has {!r}; expected paths and addresses of pictures"


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of a batch.

    Attributes:
        source: its name in the manifest.
        location: the path or URL that it is read from.
        target: name of its result below the output, as the manifest has it.
        error: why it cannot be transformed, if that is known already.
    """

    source: str
    location: str
    target: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ParquetColumns:
    """The columns of a Parquet that a batch reads.

    Attributes:
        id: the column of the pictures' names.
        bytes: the column of their files, as bytes, or as a struct with `bytes` in it.
    """

    id: str
    bytes: str


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a Parquet: a task of a batch.

    Attributes:
        location: path or URL of the file.
        row_group: its number in the file.
    """

    location: str
    row_group: int


def is_parquet(source: StoragePath) -> bool:
    """Whether a path is a Parquet by name, or a folder of such files without pictures."""
    if source.path.endswith(PARQUET_SUFFIX):
        return True
    if not source.is_folder:
        return False
    suffixes = {PurePosixPath(name).suffix.lower() for name in source.sizes()}
    return PARQUET_SUFFIX in suffixes and not suffixes & READABLE_SUFFIXES


def list_items(
    source: StoragePath,
    output: StoragePath,
    *,
    picture_format: str | None,
    on_special: Callable[[Path, str], None] | None = None,
) -> list[Item]:
    """The pictures of a folder or a list.

    A line that is no path or URL, and a name that is no text, are items with an error.

    Args:
        source: a folder, or a text file with a path or URL on each line. Empty lines and lines
            that begin with `#` are left out; relative paths begin at the list's folder.
        output: pictures below it are left out.
        picture_format: suffix of the results; None keeps a picture's own where it can be written,
            and else adds `.png`.
        on_special: called for pipes, devices and sockets in a folder, which are left out.

    Raises:
        BatchError: `source` is neither, holds no pictures, or two that would become one file.
    """
    if source.is_folder:
        items = _items_of_folder(source, output, picture_format, on_special)
    elif not source.is_file:
        raise BatchError(f"{source.name} is not there; expected a folder, a list or a Parquet")
    elif PurePosixPath(source.path).suffix.lower() in READABLE_SUFFIXES:
        raise BatchError(
            f"{source.name} is a single picture; expected a folder, a list (a text file) or a "
            f"Parquet: 'impasto stylize' and 'impasto upscale' take single ones"
        )
    else:
        items = _items_of_list(source, picture_format)
    if not items:
        raise BatchError(f"there are no pictures in {source.name}; give a folder or list with some")
    # Before any work: else one result would replace the other, by chance of the workers.
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
    return items


def target_of_id(identifier: str, picture_format: str | None) -> str:
    """The name of the result of a picture of a Parquet: its id, in which `/` makes folders.

    Raises:
        BatchError: the id is no name of a file below the output.
    """
    # Ids come with the data, perhaps a stranger's: `..` would write outside of the output.
    parts = identifier.split("/")
    if not identifier.isprintable() or not all(parts) or {".", ".."} & set(parts):
        raise BatchError(
            f"the id {identifier[:80]!r} cannot be a file's name; expected words with / between"
        )
    return _portable(f"{identifier}.{picture_format or DEFAULT_PARQUET_FORMAT}")


def find_columns(
    source: StoragePath, *, id_column: str | None = None, bytes_column: str | None = None
) -> ParquetColumns:
    """The columns of a Parquet with pictures; by its schema where they are not named.

    Raises:
        BatchError: the Parquet cannot be read, or has no such columns, or several.
    """
    try:
        schema = pyarrow.dataset.dataset(
            source.path, filesystem=source.filesystem, format="parquet"
        ).schema
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise BatchError(f"{source.name} cannot be read as Parquet ({reason})") from None
    holders = [field.name for field in schema if _holds_bytes(field.type)]
    names = [field.name for field in schema if any(is_(field.type) for is_ in _NAME_TYPES)]
    return ParquetColumns(
        id=_choose(source, "id", id_column, ["id"] if "id" in names else names, schema.names),
        bytes=_choose(
            source,
            "bytes",
            bytes_column,
            ["bytes"] if "bytes" in holders else holders,
            schema.names,
        ),
    )


def list_row_groups(source: StoragePath) -> tuple[list[RowGroup], int]:
    """The row groups of a Parquet, and their number of rows in all.

    Raises:
        BatchError: a file cannot be read.
    """
    files = [source]
    if not source.is_file:
        names = sorted(name for name in source.sizes() if name.endswith(PARQUET_SUFFIX))
        # Parquet's readers pass over such names too.
        files = [source.inside(name) for name in names if name.rpartition("/")[2][0] not in "_."]
    # Workers read their row groups themselves: for the footers alone, Ray's own reader starts 32
    # processes.
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
    source: StoragePath,
    output: StoragePath,
    picture_format: str | None,
    on_special: Callable[[Path, str], None] | None,
) -> list[Item]:
    inside = ""
    if output.filesystem == source.filesystem:
        below = output.path.removeprefix(source.path.rstrip("/") + "/")
        inside = below + "/" if below != output.path else ""
    return [
        Item(name, source.inside(name).name, _target(name, picture_format))
        if is_text(name)
        else _refused(as_text(name), "its name is no text in UTF-8; rename it")
        for name in source.pictures(on_special=on_special)
        if not (inside and name.startswith(inside))  # results of earlier calls are no photographs
    ]


def _items_of_list(source: StoragePath, picture_format: str | None) -> list[Item]:
    """Each line without the blanks around it; one bad line is one item with an error."""
    data = source.read(max_bytes=MAX_LIST_BYTES).removeprefix(_BYTE_ORDER_MARK)
    # Split as bytes: one line that is no text must not spoil the list.
    lines = (line.strip() for line in data.split(b"\n"))
    entries = dict.fromkeys(line for line in lines if line and not line.startswith(b"#"))
    folder = source.name.rpartition("/")[0] or "."
    items = [_item_of_line(line, folder, picture_format) for line in entries]
    if items and all(item.error for item in items):
        raise BatchError(f"{source.name}: {items[0].error}")
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
    except ValueError:  # a URL whose server has no name
        return _refused(entry, _NO_ENTRY.format(entry[:200]))


def _item_of_entry(entry: str, folder: str, picture_format: str | None) -> Item:
    """A relative path keeps its folders; the server or bucket of a URL becomes the first one."""
    if "://" in entry:
        # Without USER:PASSWORD@, which must not become part of a file's name.
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
    """The nearest name, folders included, that this system allows."""
    return "/".join(map(portable_name, name.split("/")))


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _choose(
    source: StoragePath, what: str, column: str | None, possible: list[str], names: list[str]
) -> str:
    there = ", ".join(names[:12])
    if column is not None:
        if column not in names:
            raise BatchError(f"{source.name} has no column {column[:80]!r}; it has {there}")
        return column
    if len(possible) != 1:
        raise BatchError(
            f"{source.name} has the columns {there}; name the one to use with --{what}-column"
        )
    return possible[0]
