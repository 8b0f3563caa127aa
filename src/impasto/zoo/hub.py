"""Addresses on the Hugging Face Hub: `hf://USER/NAME/FILE@REVISION`.

The environment variables are the Hub's own: `HF_ENDPOINT` names another server with its interface,
`HF_TOKEN` is the key to private repositories. `impasto.zoo.download` fetches the files.
"""

import os
import re
from dataclasses import dataclass
from urllib.parse import quote

from impasto.errors import DownloadError
from impasto.system.input_files import parse_json
from impasto.web import read_address, shown_address

HUB_SCHEME = "hf://"
HUB_SERVER = "https://huggingface.co"
MAX_LISTING_BYTES = 8 * 2**20
LISTING_SECONDS = 60.0

_ADDRESS = re.compile(
    r"hf://(?P<user>[\w.-]+)/(?P<name>[\w.-]+)(?:/(?P<file>[^@#?]+))?(?:@(?P<revision>[^#?]+))?"
)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A file of a repository.

    Attributes:
        repository: `USER/NAME`.
        file: the path in the repository; None stands for its only model.
        revision: a branch, tag or commit.
    """

    repository: str
    file: str | None
    revision: str


def is_hub_address(text: str) -> bool:
    """Whether a text is meant as an address on the Hub, well-formed or not."""
    return text.startswith(HUB_SCHEME)


def parse_hub_address(address: str) -> HubAddress:
    """The parts of an address.

    Raises:
        DownloadError: the address cannot be understood.
    """
    match = _ADDRESS.fullmatch(address)
    # `..` would lead the URL out of the repository.
    if match is None or ".." in re.split("[/@]", address) or not address.isprintable():
        raise DownloadError(
            f"{shown_address(address)}: cannot be understood; expected hf://USER/NAME, perhaps "
            f"with /FILE.onnx and @REVISION behind it"
        )
    return HubAddress(
        f"{match['user']}/{match['name']}", match["file"], match["revision"] or "main"
    )


def hub_url(address: str) -> str:
    """The URL of an address's file; without a file name, the Hub is asked for the only model.

    Raises:
        DownloadError: the address cannot be understood, or names no file and the repository does
            not hold exactly one model.
    """
    parts = parse_hub_address(address)
    file = parts.file or _only_model(address, parts)
    revision = quote(parts.revision, safe="")
    # A branch may have slashes in its name: there they are quoted, in the file's path they are not.
    return f"{hub_server()}/{parts.repository}/resolve/{revision}/{quote(file)}"


def hub_server() -> str:
    """The server that `hf://` stands for."""
    return (os.environ.get("HF_ENDPOINT") or HUB_SERVER).rstrip("/")


def hub_authorization() -> dict[str, str]:
    """The header with the key `HF_TOKEN`; empty without one.

    Raises:
        DownloadError: the key has characters that cannot be sent.
    """
    token = os.environ.get("HF_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):  # http.client's error would quote the key
        raise DownloadError("HF_TOKEN cannot be sent, it has odd characters in it; set it anew")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _only_model(address: str, parts: HubAddress) -> str:
    revision = quote(parts.revision, safe="")
    listing = read_address(
        f"{hub_server()}/api/models/{parts.repository}/revision/{revision}",
        max_bytes=MAX_LISTING_BYTES,
        seconds=LISTING_SECONDS,
        headers=hub_authorization(),
    )
    try:
        names = [str(entry["rfilename"]) for entry in parse_json(listing)["siblings"]]
        _ = "".join(names).encode()  # ValueError for a lone surrogate, which no URL can hold
    except (ValueError, KeyError, TypeError):
        raise DownloadError(
            f"{shown_address(address)}: the server does not say which files there are; name one: "
            f"{HUB_SCHEME}{parts.repository}/FILE.onnx"
        ) from None
    models = sorted(name for name in names if name.endswith(".onnx"))
    if len(models) != 1:
        short = [name[:200] for name in models[:8]]
        listed = ", ".join(name if name.isprintable() else ascii(name)[1:-1] for name in short)
        among = f"among {listed}" if models else "and there is no .onnx file"
        raise DownloadError(
            f"{shown_address(address)}: names no file, {among}; expected one model, or "
            f"{HUB_SCHEME}{parts.repository}/FILE.onnx"
        )
    return models[0]
