"""Damaged files of every kind that is read, loaded and saved again in a worker process.

    python benchmarks/fuzz_files.py [--files 10000] [--seed 0] [--keep FOLDER]

A picture's header is read as well, and the picture at a small size. The texts that come from
outside are among the kinds: lists and manifests of batches, and the answers of web servers.

Counted are files read in spite of their damage, files refused in one line, and what must not be:
errors that are not ours, messages of several lines, workers that died (a crash, or more than 4 GiB)
and files that took more than 20 seconds of processor time, or never ended. `--keep` writes the
files that did one of these. The growth of the workers' memory since their first files is reported.
"""

import contextlib
import io
import json
import socket
import sys
import tempfile
import threading
from pathlib import Path

from fuzzing import READING_OUTCOMES, Fuzz, arguments, outcome_of_call, publish_fuzz

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from impasto.batch.manifest import Manifest
from impasto.batch.source import list_items
from impasto.batch.storage import storage_path
from impasto.errors import ImpastoError, PictureFileError
from impasto.images.files.io import (
    Animation,
    load_picture,
    load_picture_or_animation,
    read_header,
    save_animation,
    save_picture,
)
from impasto.images.windows.reading import bits_by_windows, open_windows, size_of_file
from impasto.web import check_address, read_address, shown_address
from impasto.zoo.hub import parse_hub_address
from mutants import mutant, seed_files

CPU_SECONDS = 20
WORKER_BYTES = 4 * 2**30
TEXT_SEEDS = {
    "list": "a.png\r\n/data/ä b.jpg\nhttps://example.org/c?d=1\n# no\ns3://bucket/x.png\n".encode(),
    "manifest": (
        b'{"source": "a.png", "target": "a.png", "sha256": "00", "num_bytes": 3, "width": 4, '
        b'"height": 5, "seconds": 0.1, "worker": "here:1", "error": null}\n'
    ),
    "settings": b'{"task": "style-transfer", "size": null, "model": "00"}',
    "answer": (
        b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nETag: "1"\r\n\r\nabcdefghijkl'
        b"HTTP/1.1 302 Found\r\nLocation: https://example.org/a\r\n\r\n"
    ),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX: y\r\n\r\n"
    ),
    "address": "https://user@exämple.org:443/a%20b/c.onnx?d=1#sha256=00".encode(),
}
STILL, MOVING = ("jpeg", "png", "webp", "tiff", "gif", "bmp"), ("gif", "png", "webp")


def main() -> None:
    fuzz = Fuzz(
        name="fuzz_files",
        subject="file",
        seeds=seed_files() | TEXT_SEEDS,
        mutant=mutant,
        outcome_of=outcome_of_file,
        outcomes=READING_OUTCOMES,
        fine=("read", "refused"),
        packages=("pillow", "pyvips", "pillow-heif", "numpy"),
        cpu_seconds=CPU_SECONDS,
        max_bytes=WORKER_BYTES,
    )
    publish_fuzz(fuzz, arguments(__doc__, num_files=10_000))


def outcome_of_file(kind: str, data: bytes, number: int) -> tuple[str, str]:
    """Read a text, or load a picture and save it again."""
    if kind in TEXT_SEEDS:
        return outcome_of_call(lambda: _read_text(kind, data))
    return outcome_of_call(lambda: _load_and_save(data, number))


def _read_text(kind: str, data: bytes) -> None:
    match kind:
        case "address":
            text = data.decode(errors="surrogateescape")
            shown_address(text)
            with contextlib.suppress(ImpastoError):
                parse_hub_address(text.replace("https://", "hf://"))
            check_address(text)  # a request would leave this machine
        case "answer" | "chunks":
            _read_answer(data)
        case "list":
            with tempfile.TemporaryDirectory() as folder:
                place = storage_path(f"{folder}/list.txt")
                place.write(data)
                list_items(place, storage_path("/elsewhere"), picture_format=None)
        case _:
            with tempfile.TemporaryDirectory() as folder:
                output = storage_path(folder)
                output.inside("manifest.settings.json").write(TEXT_SEEDS["settings"])
                name = "manifest.jsonl" if kind == "manifest" else "manifest.settings.json"
                output.inside(name).write(data)
                settings = json.loads(TEXT_SEEDS["settings"])
                Manifest(output).begin(settings, output.sizes(), overwrite=False)


def _read_answer(data: bytes) -> None:
    """Read these bytes as the answer of a server, which runs on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.getsockname()[1]}/"
            read_address(address, max_bytes=2**20, seconds=5)
        finally:
            thread.join()


def _load_and_save(data: bytes, number: int) -> None:
    _load_by_windows(data)
    with contextlib.suppress(ImpastoError):
        read_header(data)
    with contextlib.suppress(ImpastoError):
        load_picture(data, longer_side=3)
    loaded = load_picture_or_animation(data)
    if isinstance(loaded, Animation):
        save_animation(loaded, io.BytesIO(), format=MOVING[number % len(MOVING)])
    else:
        save_picture(loaded, io.BytesIO(), format=STILL[number % len(STILL)])


def _load_by_windows(data: bytes) -> None:
    """Read it as pictures too large for memory are read; a file may be refused here alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture")
        path.write_bytes(data)
        with contextlib.suppress(PictureFileError):
            size_of_file(path)
            if bits_by_windows(path) is not None:
                windows = open_windows(path, Path(folder))
                windows.channels(slice(0, windows.height), slice(0, windows.width))


if __name__ == "__main__":
    main()
