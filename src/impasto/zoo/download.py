"""Models from the web: downloaded once, verified, and kept.

An address is `https://…`, a file's URL, or `hf://USER/NAME/FILE@REVISION`, a file on the Hugging
Face Hub or a server with its interface (`impasto.zoo.hub`). Reading within limits is
`impasto.web`, the check of a model `impasto.zoo.model_file`. Written by hand: pooch needs a
checksum known in advance, sets no limit to a file's size, and follows redirects to plain http.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import TypeGuard
from urllib.parse import unquote, urlsplit

import platformdirs

from impasto.errors import DownloadError, ModelFileError
from impasto.files import reason_of, write_whole
from impasto.web import OnProgress, check_address, is_web_address, read_address, shown_address
from impasto.zoo.hub import (
    hub_authorization,
    hub_server,
    hub_url,
    is_hub_address,
    parse_hub_address,
)
from impasto.zoo.model_file import (
    MAX_MODEL_BYTES,
    ModelFile,
    model_from_bytes,
    read_model_file,
)

DOWNLOAD_SECONDS = 3600.0
"""Time limit of a download: the largest model at 150 kB a second."""

_CHECKSUM = re.compile(r"sha256=([0-9a-fA-F]{64})")


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

    Two processes that need the same model both fetch it; each file is put in place whole.

    Args:
        address: `https://…`, or `hf://USER/NAME` with an optional `/FILE` and `@REVISION`; an
            appended `#sha256=…` is the checksum that the file must have.
        on_progress: called with the number of bytes received, and of all if the server says so.
        seconds: time limit.

    Raises:
        DownloadError: the address cannot be understood or reached, the connection broke off, or
            the file is larger than `MAX_MODEL_BYTES`, has another checksum, or is no model.
            Nothing is kept then.
    """
    location, sha256 = _split_checksum(address)
    path = downloads_folder() / _file_name(location)
    if (model := _read_download(path, sha256)) is not None:
        return model
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = read_address(
            hub_url(location) if is_hub_address(location) else location,
            max_bytes=MAX_MODEL_BYTES,
            seconds=seconds,
            headers=hub_authorization() if is_hub_address(location) else None,
            on_progress=on_progress,
        )
        # Checked before it is kept: the downloads hold models and nothing else.
        model = _checked_model(data, path, address, sha256)
        write_whole(path, data)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{shown_address(address)}: cannot be kept at {error.filename or path.parent} "
            f"({reason_of(error)}); or set IMPASTO_HOME to another folder"
        ) from None
    return model


def forget_model(address: str) -> Path:
    """Delete the file that was downloaded from an address, and return its path.

    Raises:
        DownloadError: the address is not among the downloads, or the file cannot be deleted.
    """
    location, _ = _split_checksum(address)
    path = downloads_folder() / _file_name(location)
    try:
        path.unlink()
    except FileNotFoundError:
        raise DownloadError(
            f"{shown_address(address)} is not among the downloads; nothing to do"
        ) from None
    except OSError as error:
        raise DownloadError(f"{path}: cannot be deleted ({error.strerror})") from None
    return path


def _split_checksum(address: str) -> tuple[str, str | None]:
    """The address without its checksum, and the checksum in lower case.

    Raises:
        DownloadError: one of them cannot be understood.
    """
    location, _, fragment = address.partition("#")
    checksum = _CHECKSUM.fullmatch(fragment)
    if fragment and checksum is None:
        raise DownloadError(
            f"{shown_address(address)}: what is behind # cannot be understood; expected "
            f"#sha256= and 64 hexadecimal digits"
        )
    if is_hub_address(location):
        parse_hub_address(location)
    else:
        check_address(location)
    return location, checksum[1].lower() if checksum else None


def _file_name(location: str) -> str:
    """A file name that begins with the model's name, and that no two addresses share."""
    # With the server: HF_ENDPOINT may name another one, which has another file of that name.
    key = f"{hub_server()} {location}" if is_hub_address(location) else location
    # Addresses from the command line may hold bytes that are not UTF-8.
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    last_part = unquote(urlsplit(location.partition("@")[0]).path).rstrip("/").rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", last_part.removesuffix(".onnx")).strip("-")[:40]
    return f"{stem or 'model'}-{digest}.onnx"


def _read_download(path: Path, sha256: str | None) -> ModelFile | None:
    """The model downloaded earlier; None if it is missing, damaged or has another checksum."""
    try:
        model = read_model_file(path)
    except ModelFileError:
        return None
    return model if sha256 in (None, model.sha256) else None


def _checked_model(data: bytes, path: Path, address: str, sha256: str | None) -> ModelFile:
    """The model that was received, to be written to `path`."""
    digest = hashlib.sha256(data).hexdigest()
    if sha256 not in (None, digest):
        raise DownloadError(
            f"{shown_address(address)}: the file has the sha256 {digest}, expected {sha256}; "
            f"it was changed or is another one: ask whoever gave you the address"
        )
    try:
        return model_from_bytes(data, path=path)
    except ModelFileError as error:
        # The message names the address; the path is of a file that was never written.
        reason = str(error).removeprefix(f"{path}: ")
        raise DownloadError(
            f"{shown_address(address)}: what is there is no model: {reason}"
        ) from None
