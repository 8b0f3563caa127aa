"""EXIF value by value: the bytes stay, and what is odd goes alone."""

import io
import struct

import pytest
from PIL import Image

from impasto.images.files.io import load_picture, save_picture
from impasto.images.metadata.exif_block import (
    ASCII,
    SHORT,
    Entry,
    ExifBlock,
    add_to_tiff,
    block_bytes,
    read_block,
)

JOSE = "© José".encode()
ARTIST, COPYRIGHT, MAKE, RATING = 315, 33432, 271, 18246
CAMERA, PLACE = 34665, 34853
DATE, COMMENT, ISO = 0x9003, 0x9286, 0x8827


def directory(entries, at, order="<"):
    """A directory of (tag, type, count, four bytes), to stand at an offset."""
    listed = b"".join(
        struct.pack(order + "HHL", tag, kind, count) + value.ljust(4, b"\0")
        for tag, kind, count, value in entries
    )
    return struct.pack(order + "H", len(entries)) + listed + bytes(4)


def block(*entries, place=(), camera=()):
    """An EXIF block of three directories one behind the other, whose values are in them."""
    main_bytes = 2 + 12 * (len(entries) + 2) + 4
    camera_at = 8 + main_bytes
    camera_bytes = directory(camera, 0)
    place_at = camera_at + len(camera_bytes)
    pointers = (
        (CAMERA, 4, 1, struct.pack("<L", camera_at)),
        (PLACE, 4, 1, struct.pack("<L", place_at)),
    )
    head = b"II" + struct.pack("<HL", 42, 8)
    return head + directory([*entries, *pointers], 8) + camera_bytes + directory(place, 0)


def kept(exif):
    """What is left of a block once a JPEG has been read."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, "JPEG", exif=b"Exif\0\0" + exif)
    found = load_picture(buffer.getvalue()).exif
    return None if found is None else read_block(found)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif", "heic"])
def test_text_in_any_encoding_stays_byte_for_byte(suffix, tmp_path):
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    given = ExifBlock(">")
    given.main[COPYRIGHT] = Entry(ASCII, JOSE + b"\0")
    given.main[ARTIST] = Entry(ASCII, "Łukasz, мир, 猫".encode() + b"\0")
    given.camera[COMMENT] = Entry(7, b"UNICODE\0" + "Düne".encode("utf-16-be"))
    given.camera[DATE] = Entry(ASCII, b"2024:05:06 07:08:09\0")
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, "JPEG", exif=block_bytes(given))
    path = tmp_path / f"first.{suffix}"
    save_picture(load_picture(buffer.getvalue()), path)
    save_picture(load_picture(path), tmp_path / f"second.{suffix}")  # and from there once more
    found = read_block(load_picture(tmp_path / f"second.{suffix}").exif)
    assert {tag: found.main[tag].data for tag in (COPYRIGHT, ARTIST)} == {
        tag: given.main[tag].data for tag in (COPYRIGHT, ARTIST)
    }
    assert found.camera[COMMENT] == given.camera[COMMENT]
    assert found.camera[DATE].data[:19] == b"2024:05:06 07:08:09"


def test_sixteen_bit_tiffs_keep_it_too(tmp_path):
    given = ExifBlock(main={COPYRIGHT: Entry(ASCII, JOSE + b"\0")})
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, "JPEG", exif=block_bytes(given))
    save_picture(load_picture(buffer.getvalue()), tmp_path / "deep.tif", bits=16)
    assert JOSE in load_picture(tmp_path / "deep.tif").exif


SHORT_FIVE = Entry(SHORT, b"\0\5")
GOOD = ((ARTIST, 2, 4, b"Jan\0"), (RATING, 3, 1, b"\5\0"))


@pytest.mark.parametrize(
    "odd",
    [
        (0, 2, 4, b"2.2\0"),  # the version as text
        (0, 1, 3, b"\2\2\0"),  # of three bytes
        (2, 5, 3, struct.pack("<L", 10**6)),  # beyond the block
        (2, 5, 2**31, struct.pack("<L", 8)),  # of more values than there are bytes
        (2, 5, 0, b""),
        (6, 3, 1, b"\1\0"),
        (99, 2, 2, b"?\0"),  # nothing the standard knows
        (1, 77, 1, b"N\0"),  # of no type
    ],
)
def test_an_odd_value_of_a_place_goes_alone(odd):
    found = kept(block(*GOOD, place=(odd, (3, 2, 2, b"W\0")), camera=((ISO, 3, 1, b"\x64\0"),)))
    assert found.main[ARTIST].data == b"Jan\0"
    assert found.main[RATING].data == b"\5\0"
    assert found.camera[ISO].data == b"\x64\0"
    assert found.place == {3: Entry(ASCII, b"W\0")}


@pytest.mark.parametrize(
    "odd",
    [
        (MAKE, 3, 1, b"\1\0"),  # the maker as a number
        (MAKE, 2, 100, struct.pack("<L", 2**32 - 1)),
        (MAKE, 0, 1, b"?"),
        (COPYRIGHT, 2, 2**32 - 1, struct.pack("<L", 8)),
    ],
)
def test_an_odd_value_of_the_picture_goes_alone(odd):
    found = kept(block(*GOOD, odd, place=((3, 2, 2, b"W\0"),)))
    assert set(found.main) == {ARTIST, RATING, 274}
    assert found.place == {3: Entry(ASCII, b"W\0")}


def test_a_directory_that_lies_nowhere_costs_itself_alone():
    entries = [*GOOD, (CAMERA, 4, 1, struct.pack("<L", 10**6)), (PLACE, 2, 4, b"????")]
    found = kept(b"II" + struct.pack("<HL", 42, 8) + directory(entries, 8))
    assert found.main[ARTIST].data == b"Jan\0"
    assert not found.camera
    assert not found.place


@pytest.mark.parametrize("exif", [b"", b"II", b"no such thing at all", b"MM\0*\xff\xff\xff\xff"])
def test_what_is_no_exif_is_none(exif):
    assert kept(exif) is None


def test_added_to_a_tiff_values_turn_to_its_order_of_bytes():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (1, 2, 3)).save(buffer, "TIFF", dpi=(72, 72))
    given = ExifBlock(
        ">",
        main={
            ARTIST: Entry(ASCII, b"Jan\0"),
            RATING: Entry(SHORT, b"\0\5"),
            257: Entry(SHORT, b"\0\1"),
        },
        camera={0x829A: Entry(5, struct.pack(">LL", 1, 250))},
        place={2: Entry(5, struct.pack(">6L", 48, 1, 51, 1, 30, 1))},
    )
    add_to_tiff(buffer, given)
    with Image.open(buffer) as image:
        image.load()
        assert image.getpixel((7, 5)) == (1, 2, 3)  # and still as high
        exif = image.getexif()
        assert (exif[ARTIST], exif[RATING]) == ("Jan", 5)
        assert exif.get_ifd(CAMERA)[0x829A] == 1 / 250
        assert exif.get_ifd(PLACE)[2] == (48, 51, 30)


def test_exif_of_a_bigtiff_and_of_a_pillow_image_is_kept():
    exif = Image.Exif()
    exif[ARTIST] = "Jan"
    image, buffer = Image.new("RGB", (8, 6)), io.BytesIO()
    image.save(buffer, "TIFF", big_tiff=True, exif=exif)
    assert b"Jan" in load_picture(buffer.getvalue()).exif
