"""Models from the web, from a server of this machine."""

import hashlib
import threading

import platformdirs
import pytest

from impasto.errors import DownloadError
from impasto.zoo import download
from impasto.zoo.download import download_model, downloads_folder, is_address
from impasto.zoo.registry import add_model, remove_model, resolve_model
from model_fixtures import make_model_bytes


@pytest.fixture
def folder(user_models):
    """Where downloads are kept in these tests; it is not there yet."""
    return user_models.parent / "downloads"


def names_in(folder):
    return sorted(path.suffix for path in folder.iterdir())


def refused(address):
    """The one line that says why an address was refused."""
    with pytest.raises(DownloadError) as raised:
        download_model(address)
    assert str(raised.value).isprintable()
    return str(raised.value)


# Once, and kept


def test_downloads_lie_in_impasto_home(folder, monkeypatch):
    assert downloads_folder() == folder
    monkeypatch.delenv("IMPASTO_HOME")
    place = platformdirs.user_cache_path("impasto", appauthor=False)
    assert downloads_folder() == place / "downloads"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("https://example.org/a.onnx", True),
        ("HTTPS://example.org/a", True),
        ("http://example.org/a", True),
        ("hf://user/name", True),
        ("starry_night", False),
        ("folder/a.onnx", False),
        ("c:/a.onnx", False),
    ],
)
def test_addresses_are_told_from_names_and_files(text, known):
    assert is_address(text) == known


def test_a_model_is_downloaded_once(server, folder, tiny_model_bytes):
    address = server.put("/styles/tiny.onnx", tiny_model_bytes)
    first, second = download_model(address), resolve_model(address)
    assert first.data == second.data == tiny_model_bytes
    assert len(server.requests) == 1
    assert first.path.parent == folder
    assert first.path.name.startswith("tiny-")
    assert names_in(folder) == [".onnx"]


def test_what_was_downloaded_needs_no_server(server, folder, tiny_model_bytes):
    address = server.put("/tiny.onnx", tiny_model_bytes)
    download_model(address)
    server.pages.clear()
    assert download_model(address).data == tiny_model_bytes
    assert len(server.requests) == 1


def test_a_damaged_download_is_fetched_again(server, folder, tiny_model_bytes):
    address = server.put("/tiny.onnx", tiny_model_bytes)
    download_model(address).path.write_bytes(tiny_model_bytes[:100])
    assert download_model(address).data == tiny_model_bytes


def test_progress_ends_at_the_whole(server, folder, tiny_model_bytes):
    told = []
    address = server.put("/tiny.onnx", tiny_model_bytes)
    download_model(address, on_progress=lambda *numbers: told.append(numbers))
    assert told[-1] == (len(tiny_model_bytes), len(tiny_model_bytes))


def test_two_at_once_get_the_same_file(server, folder, tiny_model_bytes):
    address = server.put("/tiny.onnx", tiny_model_bytes)
    models = []
    threads = [
        threading.Thread(target=lambda: models.append(download_model(address))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [model.data for model in models] == [tiny_model_bytes] * 2
    assert names_in(folder) == [".onnx"]


def test_a_model_can_be_added_from_its_address_and_forgotten(
    server, folder, user_models, tiny_model_bytes
):
    address = server.put("/tiny.onnx", tiny_model_bytes)
    add_model(address)
    assert resolve_model("tiny_style").data == tiny_model_bytes
    assert remove_model(address).parent == folder
    assert names_in(folder) == []
    with pytest.raises(DownloadError, match="not among the downloads"):
        remove_model(address)


# Broken off


def test_a_connection_that_breaks_off_leaves_nothing(server, folder, tiny_model_bytes):
    address = server.put("/tiny.onnx", tiny_model_bytes, breaks_off_after=200)
    assert f"broke off after 200 of {len(tiny_model_bytes)} bytes; try again" in refused(address)
    assert names_in(folder) == []
    server.put("/tiny.onnx", tiny_model_bytes)
    assert download_model(address).data == tiny_model_bytes


def test_a_download_that_is_interrupted_leaves_nothing(server, folder, tiny_model_bytes):
    address = server.put("/tiny.onnx", tiny_model_bytes)
    with pytest.raises(KeyboardInterrupt):
        download_model(address, on_progress=_interrupt)
    assert names_in(folder) == []


def _interrupt(*_):
    raise KeyboardInterrupt


# Checksums


def test_the_right_checksum_is_accepted_and_the_wrong_one_refused(server, folder, tiny_model_bytes):
    address = server.put("/tiny.onnx", tiny_model_bytes)
    right = hashlib.sha256(tiny_model_bytes).hexdigest()
    assert f"has the sha256 {right}, expected {'0' * 64}" in refused(f"{address}#sha256={'0' * 64}")
    assert names_in(folder) == []
    assert download_model(f"{address}#sha256={right.upper()}").sha256 == right
    assert refused(f"{address}#sha256={'0' * 64}")  # though it is kept by now
    assert download_model(address).sha256 == right


@pytest.mark.parametrize("fragment", ["sha256=12", "md5=00", "top"])
def test_a_fragment_that_is_no_checksum_is_refused(server, folder, fragment):
    assert "expected #sha256=" in refused(f"{server.address}/tiny.onnx#{fragment}")
    assert server.requests == []


# What is refused


def test_nothing_there_is_one_line(server, folder):
    assert refused(f"{server.address}/none.onnx?key=secret").endswith(
        "/none.onnx: there is nothing there (404); check the address"
    )
    assert names_in(folder) == []


def test_no_server_is_one_line(server, folder):
    said = refused("http://127.0.0.1:1/tiny.onnx")
    assert "there is no connection (Connection refused)" in said


def test_what_is_no_model_is_not_kept(server, folder):
    said = refused(server.put("/page.html", b"<html>"))
    assert "what is there is no model: " in said
    assert str(folder) not in said
    assert names_in(folder) == []


@pytest.mark.parametrize("states_length", [True, False])
def test_what_is_too_large_is_not_kept(
    server, folder, tiny_model_bytes, monkeypatch, states_length
):
    monkeypatch.setattr(download, "MAX_MODEL_BYTES", 300)
    address = server.put("/large.onnx", tiny_model_bytes, states_length=states_length)
    assert "more than 300 bytes" in refused(address)
    assert names_in(folder) == []


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/a.onnx",
        "https:///a.onnx",
        "https://user:password@example.org/a.onnx",
        "https://example.org:port/a.onnx",
        "https://example.org/a b.onnx",
        "https://example.org/\x1b[31m",
    ],
)
def test_an_address_that_is_not_safe_is_refused(folder, address):
    said = refused(address)
    assert "expected an address that begins with https://" in said
    assert "password@" not in said


@pytest.mark.parametrize("place", ["file:///etc/passwd", "http://example.org/a", "ftp://a/b"])
def test_a_redirect_to_less_is_not_followed(server, folder, place):
    said = refused(server.put("/tiny.onnx", redirect=place))
    assert "one that is not safe" in said
    assert place in said


def test_redirects_are_followed_a_few_times(server, folder, tiny_model_bytes):
    server.put("/3", tiny_model_bytes)
    server.put("/2", redirect="/3")
    assert download_model(server.put("/1", redirect="/2")).data == tiny_model_bytes
    assert "sends on from place to place" in refused(server.put("/loop", redirect="/loop"))


def test_a_place_that_cannot_be_written_is_one_line(server, folder, tiny_model_bytes):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    said = refused(server.put("/tiny.onnx", tiny_model_bytes))
    assert "cannot be kept at" in said
    assert "set IMPASTO_HOME" in said


# The Hub


@pytest.fixture
def hub(server, folder, monkeypatch):
    """A server that speaks like the Hub."""
    monkeypatch.setenv("HF_ENDPOINT", f"{server.address}/")
    return server


def test_a_file_on_the_hub_is_found(hub, tiny_model_bytes):
    hub.put("/ann/styles/resolve/main/night/a.onnx", tiny_model_bytes)
    hub.put("/ann/styles/resolve/v1%2Fb/night/a.onnx", make_model_bytes(bias=0.5))
    main = download_model("hf://ann/styles/night/a.onnx")
    other = download_model("hf://ann/styles/night/a.onnx@v1/b")
    assert main.data == tiny_model_bytes
    assert main.path.name.startswith("a-")
    assert other.data != main.data


def test_the_only_model_of_a_repository_needs_no_name(hub, tiny_model_bytes):
    listing = b'{"siblings": [{"rfilename": "README.md"}, {"rfilename": "style.onnx"}]}'
    hub.put("/api/models/ann/styles/revision/main", listing)
    hub.put("/ann/styles/resolve/main/style.onnx", tiny_model_bytes)
    assert download_model("hf://ann/styles").data == tiny_model_bytes
    num_requests = len(hub.requests)
    assert download_model("hf://ann/styles").data == tiny_model_bytes
    assert len(hub.requests) == num_requests


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (b'{"siblings": [{"rfilename": "a.onnx"}, {"rfilename": "b.onnx"}]}', "among a.onnx, b.on"),
        (b'{"siblings": []}', "there is no .onnx file"),
        (b"<html>", "does not say which files there are"),
    ],
)
def test_a_repository_without_one_model_asks_for_a_name(hub, listing, said):
    hub.put("/api/models/ann/styles/revision/main", listing)
    answer = refused("hf://ann/styles")
    assert said in answer
    assert "hf://ann/styles/FILE.onnx" in answer


def test_the_key_opens_the_hub_and_goes_nowhere_else(hub, server, tiny_model_bytes, monkeypatch):
    other = server.address.replace("127.0.0.1", "localhost")
    server.put("/store/a.onnx", tiny_model_bytes)
    hub.put("/ann/styles/resolve/main/a.onnx", redirect=f"{other}/store/a.onnx", token="secret")
    assert "lets nobody in without leave (401)" in refused("hf://ann/styles/a.onnx")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert download_model("hf://ann/styles/a.onnx").data == tiny_model_bytes
    assert [headers.get("Authorization") for _, headers in server.requests] == [
        None,
        "Bearer secret",
        None,
    ]
    download_model(server.put("/plain.onnx", tiny_model_bytes))
    assert "Authorization" not in server.requests[-1][1]


@pytest.mark.parametrize(
    "address", ["hf://", "hf://ann", "hf://ann/styles/../../x", "hf://ann/a b/@", "hf://a/b@.."]
)
def test_an_address_on_the_hub_that_cannot_be_understood_is_refused(hub, address):
    assert "expected hf://USER/NAME" in refused(address)
    assert hub.requests == []


# Limits


def test_a_server_that_is_too_slow_is_left(server, folder):
    address = server.put("/slow.onnx", b"HTTP/1.1 200 OK\r\nETag: x\r\n\r\nxxxx", drips=True)
    with pytest.raises(DownloadError, match=r"longer than 0\.5 seconds.*try again"):
        download_model(address, seconds=0.5)
    assert names_in(folder) == []


@pytest.mark.parametrize("address", ["https://[/x", "https://ex\u2100mple/m.onnx", "hf://[/x"])
def test_malformed_addresses_are_one_line_and_leave_nothing(folder, address):
    assert refused(address)
    with pytest.raises(DownloadError):
        remove_model(address)
    assert not folder.exists()
