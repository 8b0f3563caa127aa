import os
import signal
import stat

import numpy as np
import pytest

from impasto.errors import (
    OutputAppearedError,
    OutputExistsError,
    PictureFileError,
    SettingError,
)
from impasto.images.files.io import Picture, check_target, load_picture, save_picture
from impasto.images.files.output import save_or_keep

resource = pytest.importorskip("resource")


def photograph(height=24, width=32, **fields):
    ramp = np.linspace(0, 1, height * width * 3, dtype=np.float32)
    return Picture(ramp.reshape(height, width, 3), **fields)


def test_existing_file_is_an_error_and_stays(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"earlier")
    with pytest.raises(OutputExistsError, match=r"out\.png exists already"):
        save_picture(photograph(), path)
    assert path.read_bytes() == b"earlier"
    save_picture(photograph(), path, overwrite=True)
    assert load_picture(path).width == 32


@pytest.mark.parametrize(
    ("picture", "options"),
    [
        (photograph(1, 16_384), {"format": "webp"}),
        (photograph(exif=b"Exif\0\0no such thing"), {"format": "avif"}),
        (photograph(), {"quality": 101}),
    ],
)
def test_failed_save_leaves_the_earlier_file_and_nothing_else(picture, options, tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"earlier")
    with pytest.raises((PictureFileError, SettingError)):
        save_picture(picture, path, overwrite=True, **options)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_no_temporary_file(tmp_path):
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "out.png").write_bytes(b"earlier")
    # The open file may not grow beyond a hundred bytes, as on a full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(PictureFileError, match=r"out\.png cannot be written \(.+\)"):
            save_picture(photograph(), folder / "out.png", overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (folder / "out.png").read_bytes() == b"earlier"
    assert [path.name for path in folder.iterdir()] == ["out.png"]


def test_permissions_are_those_of_any_new_file_and_kept_when_overwriting(tmp_path):
    plain, path = tmp_path / "plain", tmp_path / "out.png"
    plain.touch()
    save_picture(photograph(), path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    path.chmod(0o640)
    save_picture(photograph(), path, overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_link_keeps_pointing_where_it_did(tmp_path):
    (tmp_path / "real.png").touch()
    link = tmp_path / "link.png"
    link.symlink_to("real.png")
    save_picture(photograph(), link, overwrite=True)
    assert link.is_symlink()
    assert load_picture(tmp_path / "real.png").width == 32


def test_folder_without_rights_is_an_error(tmp_path, without_rights):
    tmp_path.chmod(0o555)
    with without_rights(), pytest.raises(PictureFileError, match=r"out\.png cannot be written"):
        save_picture(photograph(), tmp_path / "out.png")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("out.xyz", r"out\.xyz ends in \.xyz.* expected one of \.jpg, .*\.png, .*\.webp, \.tif"),
        ("out", "out has no suffix.* expected one of"),
        ("", "is a folder; give the name of a file in it"),
        ("no/such/out.png", "the folder .*no/such does not exist"),
    ],
)
def test_impossible_target_is_refused_before_and_while_saving(name, says, tmp_path):
    with pytest.raises(PictureFileError, match=says):
        check_target(tmp_path / name)
    with pytest.raises(PictureFileError, match=says):
        save_picture(photograph(), tmp_path / name)


def test_unknown_format_lists_the_known_ones(tmp_path):
    with pytest.raises(
        PictureFileError, match=r"'docx' is no format .* jpeg, png, webp, tiff, bmp"
    ):
        save_picture(photograph(), tmp_path / "out.png", format="docx")


def test_a_device_or_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureFileError, match=r"pipe\.png is a device or pipe"):
        save_picture(photograph(), tmp_path / "pipe.png", overwrite=True)
    assert (tmp_path / "pipe.png").is_fifo()


def test_finished_work_goes_beside_what_appeared_meanwhile(tmp_path):
    target = tmp_path / "out.png"

    def save(path):
        save_picture(photograph(), path)

    save_or_keep(save, target)
    before = target.read_bytes()
    for name in ("out.new.png", "out.new-2.png"):
        with pytest.raises(OutputAppearedError, match=rf"out\.png appeared .* is in .*{name}"):
            save_or_keep(save, target)
        assert (tmp_path / name).read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")  # noqa: PTH110
def test_a_stream_onto_a_full_disk_says_so(tmp_path):
    with (
        open("/dev/full", "wb", buffering=0) as full,  # noqa: PTH123
        pytest.raises(PictureFileError, match="the disk is full; make room there"),
    ):
        save_picture(photograph(), full)
