"""Files and folders on disks and in object stores, by path or URL.

A URL belongs to one of pyarrow's filesystems (s3, gs, abfs, hdfs, file), or else to one of
fsspec's. Files appear whole or not at all: on a disk by renaming, in a bucket by nature.
"""

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from impasto.errors import BatchError, OutputExistsError
from impasto.files import write_whole
from impasto.images.files.io import READABLE_SUFFIXES, list_pictures
from impasto.system.input_files import open_given_file, read_given_stream, special_kind
from impasto.system.visible_text import one_line, shown_path

_CHUNK_BYTES = 2**20

_URL = re.compile(r"(?P<root>[A-Za-z][\w+.-]*://[^/?#]*)")


@dataclass(frozen=True, slots=True)
class StoragePath:
    """A file or folder, which need not exist; can be sent to workers on other machines.

    Attributes:
        name: the path or URL that a person gave.
        filesystem: the filesystem of the file.
        path: the file's path in that filesystem.
    """

    name: str
    filesystem: fs.FileSystem
    path: str

    @property
    def is_local(self) -> bool:
        """Whether the filesystem is a disk, where files can be half written."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    @property
    def is_folder(self) -> bool:
        """Whether there is a folder.

        Raises:
            BatchError: the store cannot be reached.
        """
        if self.is_local:
            return os.path.isdir(self.path)  # noqa: PTH112
        return bool(self._type() == fs.FileType.Directory)

    @property
    def is_file(self) -> bool:
        """Whether there is a file.

        Raises:
            BatchError: the store cannot be reached.
        """
        if self.is_local:
            return os.path.isfile(self.path)  # noqa: PTH113
        return bool(self._type() == fs.FileType.File)

    @property
    def special_kind(self) -> str | None:
        """The kind of a file that is none, such as `a named pipe`; None for files and folders."""
        return special_kind(self.path) if self.is_local else None

    def inside(self, name: str) -> "StoragePath":
        """The path of that name below this folder."""
        # The query of a URL (region, endpoint) stays at its end.
        head, mark, query = (self.name, "", "") if self.is_local else self.name.partition("?")
        whole = f"{head.rstrip('/')}/{name}{mark}{query}"
        return StoragePath(whole, self.filesystem, f"{self.path.rstrip('/')}/{name}")

    def read(self, *, max_bytes: int) -> bytes:
        """The bytes of the file.

        Raises:
            OSError: it cannot be read, is no file, or has more than `max_bytes`.
            BatchError: the store cannot be reached.
        """
        with self._opened() as stream:
            return read_given_stream(stream, max_bytes=max_bytes).getvalue()

    def sha256(self) -> str:
        """The checksum of the file, hexadecimal.

        Raises:
            OSError: it cannot be read, or is no file.
            BatchError: the store cannot be reached.
        """
        digest = hashlib.sha256()
        with self._opened() as stream:
            while part := stream.read(_CHUNK_BYTES):
                digest.update(part)
        return digest.hexdigest()

    def write(self, data: bytes, *, replace: bool = True) -> None:
        """Write the file; folders that are missing are made.

        Args:
            data: the bytes of the file.
            replace: replace another file of that name; in a bucket it is replaced in any case.

        Raises:
            OutputExistsError: another file is there and is not to be replaced.
            OSError: the place cannot be written to.
            BatchError: the store cannot be reached.
        """
        if self.is_local:
            path = Path(self.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not replace and path.is_file():
                if path.read_bytes() == data:  # written by a worker that was stopped
                    return
                raise OutputExistsError(
                    f"{self.name} exists already and is none of this batch's; move it away, "
                    "choose another output, or --overwrite"
                )
            write_whole(path, data, replace=replace)
            return
        with self._reached(), self.filesystem.open_output_stream(self.path) as stream:
            stream.write(data)

    def delete(self) -> None:
        """Delete the file, if there is one.

        Raises:
            OSError: it cannot be deleted.
            BatchError: the store cannot be reached.
        """
        if self.is_local:
            Path(self.path).unlink(missing_ok=True)
        elif self.is_file:
            with self._reached():
                self.filesystem.delete_file(self.path)

    def sizes(self) -> dict[str, int]:
        """The files below this folder, by their names from here on, with their sizes in bytes.

        Raises:
            BatchError: the store cannot be reached.
        """
        if self.is_local:
            # By the system's calls, as pyarrow cannot read names that are no text.
            sizes = {}
            for parent, _, names in os.walk(self.path):
                for name in names:
                    path = os.path.join(parent, name)  # noqa: PTH118  (names that pathlib changes)
                    try:
                        size = os.stat(path).st_size  # noqa: PTH116
                    except OSError:  # a link to nothing, or just deleted
                        continue
                    if special_kind(path) is None and not os.path.isdir(path):  # noqa: PTH112
                        sizes[Path(os.path.relpath(path, self.path)).as_posix()] = size
            return sizes
        selector = fs.FileSelector(self.path, recursive=True, allow_not_found=True)
        base = self.path.rstrip("/") + "/"
        with self._reached():
            infos = self.filesystem.get_file_info(selector)
        return {
            info.path.removeprefix(base): info.size or 0
            for info in infos
            if info.type == fs.FileType.File
        }

    def pictures(self, *, on_special: Callable[[Path, str], None] | None = None) -> list[str]:
        """The names of the pictures below this folder, relative to it, sorted.

        Args:
            on_special: is told of pipes, devices and sockets, which are passed over.

        Raises:
            PictureFileError: the folder is missing, or may not be read.
            BatchError: the store cannot be reached.
        """
        if self.is_local:
            root = Path(self.path)
            paths = list_pictures(root, on_special=on_special)
            return [path.relative_to(root).as_posix() for path in paths]
        return sorted(
            name
            for name in self.sizes()
            if os.path.splitext(name)[1].lower() in READABLE_SUFFIXES  # noqa: PTH122  (no path)
            and not any(part.startswith(".") for part in name.split("/"))
        )

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        if self.is_local:
            with open_given_file(self.path) as file:
                yield file
            return
        with self._reached(), self.filesystem.open_input_stream(self.path) as stream:
            yield stream

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Errors of a store's own library as a `BatchError` of one line."""
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            raise BatchError(
                f"{shown_path(self.name)} cannot be reached ({one_line(error)}); check the address"
            ) from error

    def _type(self) -> fs.FileType:
        with self._reached():
            return self.filesystem.get_file_info(self.path).type


def storage_path(name: str) -> StoragePath:
    """The file or folder of a path on this machine, or of a URL such as `s3://bucket/folder`.

    Raises:
        BatchError: the name is empty or no text, or its filesystem is unknown.
    """
    if not is_text(name):
        raise BatchError(f"{shown_path(name)} is no text in UTF-8, as a batch needs it; rename it")
    if not name:
        raise BatchError("a name is empty; expected a file, a folder or an address like s3://…")
    url = _URL.match(name)
    if url is None or url["root"].lower() == "file://":
        path = name[len(url["root"]) :] if url else name
        return StoragePath(name, fs.LocalFileSystem(), os.path.abspath(path))  # noqa: PTH100  (links stay)
    root = url["root"]
    query = name.partition("?")[2]  # pyarrow takes a region or endpoint there
    filesystem, path = _filesystem(root, query)
    rest = name[len(root) :].partition("?")[0]
    return StoragePath(name, filesystem, (path + rest).rstrip("/"))


def is_text(name: str) -> bool:
    """Whether a name can go to workers and manifests: UTF-8, and no stray bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name


def as_text(name: str) -> str:
    """A name for manifests and messages; bytes that are no text appear as their numbers."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# A list may have a million URLs in one bucket: its filesystem is opened once.
@functools.lru_cache(maxsize=64)
def _filesystem(root: str, query: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of a URL, and the path of the URL's root in it."""
    address = f"{root}/" + (f"?{query}" if query else "")
    try:
        filesystem, path = fs.FileSystem.from_uri(address)
        return filesystem, path.rstrip("/")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        pass  # not one of pyarrow's
    except OSError as error:
        raise BatchError(f"{root}: cannot be reached ({one_line(error)})") from None
    import fsspec

    try:
        of_fsspec, path = fsspec.core.url_to_fs(f"{root}/")
    except (ImportError, ValueError, OSError) as error:
        raise BatchError(
            f"{root}: no such kind of URL is known ({one_line(error)}); expected a path, or an "
            f"address like s3:// or gs://"
        ) from None
    if isinstance(of_fsspec, fsspec.get_filesystem_class("file")):  # `file://server`, or `x://`
        raise BatchError(
            f"{root}: no such kind of URL is known; expected a path, or an address like s3:// or "
            f"gs://"
        )
    return fs.PyFileSystem(fs.FSSpecHandler(of_fsspec)), str(path).rstrip("/")
