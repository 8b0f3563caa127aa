"""Models named by their address on the command line."""

import json


def test_a_style_s_address_is_downloaded_once(
    impasto, server, photo, tmp_path, tiny_model_bytes, without_grain
):
    address = server.put("/tiny.onnx?key=secret", tiny_model_bytes)
    words = ("stylize", photo, "--style", address, "-o", tmp_path / "out.png")
    first, second = impasto(*words), impasto(*words, "--overwrite")
    assert (first.status, second.status) == (0, 0)
    assert first.lines == [str(tmp_path / "out.png")]
    assert first.stderr == f"downloading {server.address}/tiny.onnx\n"
    assert second.stderr == ""
    assert len(server.requests) == 1


def test_the_card_at_an_address_is_shown(impasto, server, tiny_model_bytes):
    done = impasto("models", "show", server.put("/tiny.onnx", tiny_model_bytes), "--json")
    assert json.loads(done.stdout)["name"] == "tiny_style"


def test_a_model_at_an_address_is_added_and_removed(impasto, server, tiny_model_bytes):
    address = server.put("/tiny.onnx", tiny_model_bytes)
    assert impasto("models", "add", address).status == 0
    assert impasto("models", "show", "tiny_style").status == 0
    assert impasto("models", "remove", address).status == 0
    assert "not among the downloads" in impasto("models", "remove", address).complaint


def test_an_address_with_nothing_there_is_one_line(impasto, server, photo, tmp_path):
    words = ("stylize", photo, "-s", f"{server.address}/no.onnx", "-o", tmp_path / "out.png")
    assert "there is nothing there (404)" in impasto(*words).complaint
