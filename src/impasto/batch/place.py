"""Places that hold files: folders of a machine and buckets of object stores, told by their name.

A name with `://` in it is one of pyarrow's filesystems (s3, gs, abfs, hdfs, file), or else one of
fsspec's. Files appear whole or not at all: on a disk by renaming, in a bucket by nature.
"""

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from impasto.errors import BatchError, OutputExistsError
from impasto.files import write_whole
from impasto.images.io import READABLE_SUFFIXES, list_pictures
from impasto.images.reading import one_line

_URI = re.compile(r"(?P<root>[A-Za-z][\w+.-]*://[^/?#]*)")


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder; goes to workers of other machines.

    Attributes:
        name: as it was given.
        filesystem: that it is on.
        path: there.
    """

    name: str
    filesystem: fs.FileSystem
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk, where files can be half written."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    @property
    def is_folder(self) -> bool:
        """Whether there is a folder."""
        return bool(self._type() == fs.FileType.Directory)

    @property
    def is_file(self) -> bool:
        """Whether there is a file."""
        return bool(self._type() == fs.FileType.File)

    def inside(self, name: str) -> "Place":
        """The place of that name below this one."""
        head, mark, query = self.name.partition("?") if "://" in self.name else (self.name, "", "")
        whole = f"{head.rstrip('/')}/{name}{mark}{query}"
        return Place(whole, self.filesystem, f"{self.path.rstrip('/')}/{name}")

    def read(self) -> bytes:
        """What the file holds."""
        with self.filesystem.open_input_stream(self.path) as stream:
            data: bytes = stream.read()
        return data

    def write(self, data: bytes, *, replace: bool = True) -> None:
        """Write the file, in folders that are made if they are missing.

        Args:
            data: all of it.
            replace: another file that is there; in a bucket it is replaced in any case.

        Raises:
            OutputExistsError: another file is there and is not to be replaced.
            OSError: the place cannot be written to.
        """
        if self.is_local:
            path = Path(self.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not replace and path.is_file():
                if path.read_bytes() == data:  # of a worker that was stopped
                    return
                raise OutputExistsError(
                    f"{self.name} exists already and is none of this batch's; move it away, "
                    "choose another output, or --overwrite"
                )
            write_whole(path, data, replace=replace)
            return
        with self.filesystem.open_output_stream(self.path) as stream:
            stream.write(data)

    def delete(self) -> None:
        """Delete the file, if there is one."""
        if self.is_file:
            self.filesystem.delete_file(self.path)

    def sizes(self) -> dict[str, int]:
        """The files below this folder, by their names from here on, with their sizes in bytes."""
        selector = fs.FileSelector(self.path, recursive=True, allow_not_found=True)
        base = self.path.rstrip("/") + "/"
        return {
            info.path.removeprefix(base): info.size or 0
            for info in self.filesystem.get_file_info(selector)
            if info.type == fs.FileType.File
        }

    def pictures(self) -> list[str]:
        """The pictures below this folder, by their names from here on, sorted."""
        if self.is_local:
            root = Path(self.path)
            return [path.relative_to(root).as_posix() for path in list_pictures(root)]
        return sorted(
            name
            for name in self.sizes()
            if os.path.splitext(name)[1].lower() in READABLE_SUFFIXES  # noqa: PTH122  (no path)
            and not any(part.startswith(".") for part in name.split("/"))
        )

    def _type(self) -> fs.FileType:
        return self.filesystem.get_file_info(self.path).type


def place_at(name: str) -> Place:
    """The place of a name: a path of this machine, or an address such as `s3://bucket/folder`.

    Raises:
        BatchError: an empty name, or a kind of place that nothing here knows.
    """
    if not name:
        raise BatchError("a name is empty; expected a file, a folder or an address like s3://…")
    found = _URI.match(name)
    if found is None or found["root"].lower() == "file://":
        path = name[len(found["root"]) :] if found else name
        return Place(name, fs.LocalFileSystem(), os.path.abspath(path))  # noqa: PTH100  (links stay)
    root = found["root"]
    query = name.partition("?")[2]  # pyarrow takes a region or endpoint there
    filesystem, path = _filesystem(root, query)
    rest = name[len(root) :].partition("?")[0]
    return Place(name, filesystem, (path + rest).rstrip("/"))


@functools.lru_cache(maxsize=64)
def _filesystem(root: str, query: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of an address, and the path that its root has there."""
    address = f"{root}/" + (f"?{query}" if query else "")
    try:
        filesystem, path = fs.FileSystem.from_uri(address)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        filesystem, path = _fsspec_filesystem(root)
    except OSError as error:
        raise BatchError(f"{root}: cannot be reached ({one_line(error)})") from None
    return filesystem, path.rstrip("/")


def _fsspec_filesystem(root: str) -> tuple[fs.FileSystem, str]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(f"{root}/")
    except (ImportError, ValueError, OSError) as error:
        raise BatchError(
            f"{root}: no such kind of place is known ({one_line(error)}); expected a path, or an "
            f"address like s3:// or gs://"
        ) from None
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), str(path)
