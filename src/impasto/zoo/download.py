"""Models from the web: downloaded once, verified, and kept.

`https://…` is a file's address; `hf://USER/NAME/FILE@REVISION` is one on the Hugging Face Hub or
a server that speaks like it. A download that was broken off goes on where it was; a file counts
only when it is whole and `impasto.zoo.model_file` has judged it.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, TypeGuard
from urllib.parse import unquote, urlsplit

import platformdirs

from impasto.errors import DownloadError, ModelFileError
from impasto.files import reason_of as reason_of_disk
from impasto.files import write_whole
from impasto.system.input_files import parse_json, read_given_file
from impasto.web import (
    CHUNK_BYTES,
    TRANSPORT_ERRORS,
    Deadline,
    Response,
    check_address,
    is_web_address,
    open_address,
    reason_of,
    shown_address,
    stated_length,
)
from impasto.zoo.hub import (
    hub_authorization,
    hub_server,
    hub_url,
    is_hub_address,
    parse_hub_address,
)
from impasto.zoo.model_file import MAX_MODEL_BYTES, ModelFile, read_model_file

MAX_ATTEMPTS_IN_VAIN = 3
"""A connection that breaks off is opened again; so often in a row without a byte gained."""

DOWNLOAD_SECONDS = 3600.0
"""By which a model must be here, or be asked for again: the largest, at 150 kB a second."""

_MAX_NOTE_BYTES = 2**16

_CHECKSUM = re.compile(r"sha256=([0-9a-fA-F]{64})")

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes that are here, and how many there will be if the server says so."""


def is_address(name_or_file: str | os.PathLike[str]) -> TypeGuard[str]:
    """Whether a model is named by an address in place of its name or file."""
    return isinstance(name_or_file, str) and (
        is_web_address(name_or_file) or is_hub_address(name_or_file)
    )


def downloads_folder() -> Path:
    """Where downloaded models are kept; the folder need not exist yet."""
    if home := os.environ.get("IMPASTO_HOME"):
        return Path(home).expanduser() / "downloads"
    return platformdirs.user_cache_path("impasto", appauthor=False) / "downloads"


def download_model(
    address: str, *, on_progress: OnProgress | None = None, seconds: float = DOWNLOAD_SECONDS
) -> ModelFile:
    """The model at an address: from the downloads if it is there, else fetched and kept.

    Args:
        address: `https://…`, or `hf://USER/NAME`, perhaps with `/FILE` and `@REVISION`;
            `#sha256=…` behind it is the checksum that the file must have.
        on_progress: told what has arrived, several times a second at most.
        seconds: by which it must be here; the part that is here then is kept.

    Raises:
        DownloadError: the address cannot be understood or reached, or what is there is larger
            than `MAX_MODEL_BYTES`, of another checksum, or no model. None of it is kept.
    """
    place, sha256 = _parse(address)
    folder = downloads_folder()
    target = folder / _file_name(place)
    if (kept := _kept(target, sha256)) is not None:
        return kept
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if (kept := _kept(target, sha256)) is not None:  # another process was faster
                return kept
            return _Download(address, place, target, Deadline(seconds)).run(sha256, on_progress)
    except OSError as error:
        if isinstance(error, DownloadError):
            raise
        where = error.filename or folder
        raise DownloadError(
            f"{shown_address(address)}: cannot be kept at {where} ({reason_of_disk(error)}); "
            f"or set IMPASTO_HOME to another folder"
        ) from None


def forget_model(address: str) -> Path:
    """Delete what was kept of an address, whole or in part; returns where the file was.

    Raises:
        DownloadError: nothing was kept, or it cannot be deleted.
    """
    place, _ = _parse(address)
    target = downloads_folder() / _file_name(place)
    found = [path for path in (target, *_part_of(target)) if path.exists()]
    if not found:
        raise DownloadError(f"{shown_address(address)} is not among the downloads; nothing to do")
    for path in found:
        try:
            path.unlink()
        except OSError as error:
            raise DownloadError(f"{path}: cannot be deleted ({error.strerror})") from None
    return target


class _Download:
    """One file on its way: the part that is here, and what the server said of the whole."""

    def __init__(self, address: str, place: str, target: Path, deadline: Deadline) -> None:
        self.shown = shown_address(address)
        self.deadline = deadline
        self.place = place
        self.target = target
        self.part, self.note = _part_of(target)

    def run(self, sha256: str | None, on_progress: OnProgress | None) -> ModelFile:
        """Fetch, judge and keep the file."""
        url = hub_url(self.place) if is_hub_address(self.place) else self.place
        attempts, most = 0, 0
        while True:
            whole, problem = self._fetch(url, on_progress)
            if whole:
                return self._keep(sha256)
            attempts = 0 if self._num_bytes() > most else attempts + 1
            most = max(most, self._num_bytes())
            if attempts == MAX_ATTEMPTS_IN_VAIN or self.deadline.is_over:
                raise DownloadError(
                    f"{self.shown}: the connection broke off after {self._num_bytes()} bytes "
                    f"({problem}); the same command goes on from there"
                )

    def _num_bytes(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _fetch(self, url: str, on_progress: OnProgress | None) -> tuple[bool, str]:
        """Get what is missing; whether the file is whole, and else why not."""
        begin, validator = self._state(url)
        headers = {"Accept-Encoding": "identity"}
        if is_hub_address(self.place):
            headers |= hub_authorization()
        if begin:
            headers |= {"Range": f"bytes={begin}-", "If-Range": validator}
        with open_address(
            url, max_bytes=MAX_MODEL_BYTES, deadline=self.deadline, headers=headers
        ) as response:
            if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._drop()
                return False, "the file at the server is another one now"
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                begin = 0
                self._drop()  # before the note: it must never stand for another file's bytes
                self._remember(url, response)
            elif _first_byte(response) != begin or _validator_of(response) != validator:
                self._drop()
                return False, "the server sent another part than was asked for"
            total = _total_bytes(response, begin)
            self._check_size(total or 0)
            try:
                with self.part.open("r+b" if begin else "wb") as file:
                    file.seek(begin)
                    arrived = self._receive(response, file, total, on_progress)
                    os.fsync(file.fileno())
            except _BrokenOffError as error:
                return False, str(error)
        return total is None or arrived == total, "the server closed it"

    def _receive(
        self,
        response: Response,
        file: BinaryIO,
        total: int | None,
        on_progress: OnProgress | None,
    ) -> int:
        arrived = file.tell()
        while chunk := _next_chunk(response):
            arrived += len(chunk)
            self._check_size(arrived)
            file.write(chunk)
            if on_progress is not None:
                on_progress(arrived, total)
        return arrived

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > MAX_MODEL_BYTES:
            self._drop()
            raise DownloadError(
                f"{self.shown}: there are more than {MAX_MODEL_BYTES} bytes there, no Impasto "
                f"model has so many; check the address"
            )

    def _state(self, url: str) -> tuple[int, str]:
        """How many bytes are here, and by what the server can tell that its file is the same."""
        try:
            note = parse_json(read_given_file(self.note, max_bytes=_MAX_NOTE_BYTES))
            validator = note["validator"]
            if note["url"] == url and validator.isascii() and validator.isprintable():
                return (self._num_bytes(), validator) if validator else (0, "")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return 0, ""

    def _remember(self, url: str, response: Response) -> None:
        note = {"url": url, "validator": _validator_of(response)}
        write_whole(self.note, json.dumps(note).encode())

    def _keep(self, sha256: str | None) -> ModelFile:
        with self.part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            if sha256 is not None and found != sha256:
                raise DownloadError(
                    f"{self.shown}: the file has the sha256 {found}, expected {sha256}; "
                    f"it was changed or is another one: ask whoever gave you the address"
                )
            try:
                read_model_file(self.part)
            except ModelFileError as error:
                what = str(error).removeprefix(f"{self.part}: ")
                raise DownloadError(f"{self.shown}: what is there is no model: {what}") from None
        except DownloadError:
            self._drop()
            raise
        self.part.replace(self.target)
        self.note.unlink(missing_ok=True)
        return read_model_file(self.target)

    def _drop(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


class _BrokenOffError(Exception):
    """A connection that ended before the file did; says why."""


def _parse(address: str) -> tuple[str, str | None]:
    """The address without its checksum, and the checksum.

    Raises:
        DownloadError: neither can be understood.
    """
    place, _, fragment = address.partition("#")
    checksum = _CHECKSUM.fullmatch(fragment)
    if fragment and checksum is None:
        raise DownloadError(
            f"{shown_address(address)}: what is behind # cannot be understood; expected "
            f"#sha256= and 64 hexadecimal digits"
        )
    if is_hub_address(place):
        parse_hub_address(place)
    else:
        check_address(place)
    return place, checksum[1].lower() if checksum else None


def _file_name(place: str) -> str:
    """A name that tells people what it is, and no two addresses share."""
    key_of = f"{hub_server()} {place}" if is_hub_address(place) else place
    key = hashlib.sha256(key_of.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    last = unquote(urlsplit(place.partition("@")[0]).path).rstrip("/").rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", last.removesuffix(".onnx")).strip("-")[:40]
    return f"{stem or 'model'}-{key}.onnx"


def _part_of(target: Path) -> tuple[Path, Path]:
    """Where a file's part is, and what is known of the whole."""
    return target.with_suffix(".part"), target.with_suffix(".part.json")


def _kept(target: Path, sha256: str | None) -> ModelFile | None:
    """The model that was downloaded before, if it is sound and the one that is wanted."""
    try:
        model = read_model_file(target)
    except ModelFileError:
        return None
    return model if sha256 in (None, model.sha256) else None


def _next_chunk(response: Response) -> bytes:
    try:
        return response.read1(CHUNK_BYTES)
    except DownloadError:  # too large
        raise
    except (*TRANSPORT_ERRORS, ValueError) as error:
        raise _BrokenOffError(reason_of(error)) from None


def _validator_of(response: Response) -> str:
    """What the server tells versions of a file apart by; weak tags do not stand for its bytes."""
    etag = response.headers.get("ETag", "")
    strong = "" if etag.startswith("W/") else etag
    return strong or response.headers.get("Last-Modified", "")


def _first_byte(response: Response) -> int | None:
    found = re.match(r"bytes ([0-9]{1,18})-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _total_bytes(response: Response, begin: int) -> int | None:
    length = stated_length(response)
    return None if length is None else begin + length


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Wait until no other process downloads the same file; on Windows nobody waits."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with target.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
