"""A picture looks the same whether it is read whole or by windows, and so says what it says."""

import io
import struct
import zlib

import numpy as np
import pytest
import pyvips
from PIL import ExifTags, Image, PngImagePlugin

from impasto.errors import PictureFileError
from impasto.images.files.io import Picture, load_picture, save_picture
from impasto.images.formats.encoding import FILE_FORMATS
from impasto.images.windows.reading import bits_by_windows, open_windows, size_of_file
from impasto.images.windows.writing import WindowWriter

Y, X = np.mgrid[0:70, 0:90]
SMOOTH = np.stack([255 * X // 89, 255 * Y // 69, 200 - 200 * X // 89, 255 - Y], -1).astype(np.uint8)
RGB, ALPHA = SMOOTH[..., :3], SMOOTH[..., 3:]
RGBA, GREY = SMOOTH, SMOOTH[..., 0]
DEEP = SMOOTH.astype(np.uint16) * 257 + 3
INKS = np.asarray(Image.fromarray(RGB).convert("CMYK"))
FORMATS = {known.name: known for known in FILE_FORMATS}


def by_pillow(mode, format_name, **options):
    image = Image.fromarray(RGBA)
    if mode == "P":
        image = image.convert("RGB").quantize(32)
    elif mode == "PA":
        image, options = image.convert("RGB").quantize(32), options | {"transparency": b"\x40\xa0"}
    elif mode == "LAB":
        image = Image.merge("LAB", [image.getchannel(c) for c in "RGB"])
    else:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def by_libvips(array, suffix, interpretation=None, **options):
    image = pyvips.Image.new_from_array(np.ascontiguousarray(array))
    if interpretation:
        image = image.copy(interpretation=interpretation)
    return image.write_to_buffer(suffix, **options)


def tiff(array, photometric, *, extra=(), planar=False, compress=False, order="<", sample_format=1):
    """A TIFF by hand, of any kind."""
    array = np.ascontiguousarray(array).reshape(*array.shape[:2], -1)
    height, width, num_samples = array.shape
    planes = [array[..., k] for k in range(num_samples)] if planar else [array]
    data = [plane.astype(plane.dtype.newbyteorder(order)).tobytes() for plane in planes]
    data = [zlib.compress(plane) for plane in data] if compress else data
    places = [8 + sum(map(len, data[:k])) for k in range(len(data))]
    tags = {
        **{256: width, 257: height, 258: (array.itemsize * 8,) * num_samples},
        **{259: 8 if compress else 1, 262: photometric, 273: tuple(places), 277: num_samples},
        **{278: height, 279: tuple(map(len, data)), 284: 2 if planar else 1},
    }
    tags |= {338: extra} if extra else {}
    tags |= {339: (sample_format,) * num_samples} if sample_format != 1 else {}
    tags |= {530: (1, 1), 532: (0, 255, 128, 255, 128, 255)} if photometric == 6 else {}
    body, at = b"".join(data), 8 + sum(map(len, data))
    listed, values = struct.pack(order + "H", len(tags)), b""
    for tag, value in sorted(tags.items()):
        numbers = value if isinstance(value, tuple) else (value,)
        kind = 5 if tag == 532 else 4 if tag in (273, 279) else 3
        codes = {3: "H", 4: "L", 5: "LL"}[kind]
        packed = b"".join(
            struct.pack(order + codes, *((n, 1) if kind == 5 else (n,))) for n in numbers
        )
        if len(packed) > 4:
            place = at + 2 + 12 * len(tags) + 4 + len(values)
            values, packed = values + packed, struct.pack(order + "L", place)
        listed += struct.pack(order + "HHL", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HL", 42, at)
    return head + body + listed + bytes(4) + values


def chunked(png, name, content):
    """A PNG with one more chunk behind its header."""
    chunk = struct.pack(">I", len(content)) + name + content
    return png[:33] + chunk + struct.pack(">I", zlib.crc32(name + content)) + png[33:]


def without_adobe(jpeg):
    at = jpeg.index(b"\xff\xee")
    return jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4]) :]


def adobe_exif():
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ColorSpace: 65535, 0xA005: {1: "R03"}}
    return exif


def files(linear_rgb_profile, linear_grey_profile, black_ink_profile):
    rgb, grey, inks = (
        {"icc_profile": each}
        for each in (linear_rgb_profile, linear_grey_profile, black_ink_profile)
    )
    png = by_pillow("RGB", "PNG")

    def more():  # an image remembers how it was saved
        return {"save_all": True, "append_images": [Image.new("RGB", (90, 70))]}

    premultiplied = (RGBA * (ALPHA / 255.0) + 0.5).astype(np.uint8)
    premultiplied[..., 3] = ALPHA[..., 0]
    return {
        "jpeg": by_pillow("RGB", "JPEG"),
        "jpeg grey": by_pillow("L", "JPEG"),
        "jpeg cmyk": by_pillow("CMYK", "JPEG"),
        "jpeg cmyk with profile": by_pillow("CMYK", "JPEG", **inks),
        "jpeg cmyk of nobody": without_adobe(by_pillow("CMYK", "JPEG")),
        "jpeg of two pictures": by_pillow("RGB", "MPO", **more()),
        "tiff of two pages": by_pillow("RGB", "TIFF", **more()),
        "jpeg rgb": by_pillow("RGB", "JPEG", keep_rgb=True),
        "jpeg ycck": by_libvips(INKS, ".jpg", "cmyk", Q=95),
        "jpeg with profile": by_pillow("RGB", "JPEG", **rgb),
        "jpeg grey with profile": by_pillow("L", "JPEG", **grey),
        "jpeg grey with profile of colours": by_pillow("L", "JPEG", **rgb),
        "jpeg adobe rgb by exif": by_pillow("RGB", "JPEG", exif=adobe_exif()),
        "jpeg progressive 4:2:0": by_pillow("RGB", "JPEG", progressive=True, subsampling=2),
        "png 1": by_pillow("1", "PNG"),
        "png palette": by_pillow("P", "PNG"),
        "png palette of 2 bits": by_pillow("P", "PNG", bits=2),
        "png palette with alpha": by_pillow("PA", "PNG"),
        "png palette with profile": by_pillow("P", "PNG", **rgb),
        "png grey": by_pillow("L", "PNG"),
        "png grey with alpha": by_pillow("LA", "PNG"),
        "png grey 4 bits": by_libvips(GREY, ".png", "b-w", bitdepth=4),
        "png grey 2 bits": by_libvips(GREY, ".png", "b-w", bitdepth=2),
        "png grey with hidden grey": by_pillow("L", "PNG", transparency=100),
        "png rgb": png,
        "png rgba": by_pillow("RGBA", "PNG"),
        "png with hidden colour": by_pillow("RGB", "PNG", transparency=tuple(map(int, RGB[9, 9]))),
        "png with profile": by_pillow("RGBA", "PNG", **rgb),
        "png of linear light": chunked(png, b"gAMA", struct.pack(">I", 100_000)),
        "png grey of linear light": chunked(
            by_pillow("L", "PNG"), b"gAMA", struct.pack(">I", 100_000)
        ),
        "png display p3": chunked(png, b"cICP", bytes([12, 13, 0, 1])),
        "png palette pq": chunked(by_pillow("P", "PNG"), b"cICP", bytes([9, 16, 0, 1])),
        "png 16 rgb": by_libvips(DEEP[..., :3], ".png", "rgb16"),
        "png 16 rgba": by_libvips(DEEP, ".png", "rgb16"),
        "png 16 grey": by_libvips(DEEP[..., 0], ".png", "grey16"),
        "png 16 grey with alpha": by_libvips(DEEP[..., 2:], ".png", "grey16"),
        "png 16 display p3": chunked(
            by_libvips(DEEP[..., :3], ".png", "rgb16"), b"cICP", bytes([12, 13, 0, 1])
        ),
        "png 16 grey of linear light": chunked(
            by_libvips(DEEP[..., 0], ".png", "grey16"), b"gAMA", struct.pack(">I", 100_000)
        ),
        "png interlaced": by_libvips(RGBA, ".png", "srgb", interlace=True),
        "png 16 interlaced": by_libvips(DEEP, ".png", "rgb16", interlace=True),
        "png 16 with hidden colour": chunked(
            by_libvips(DEEP[..., :3], ".png", "rgb16"),
            b"tRNS",
            DEEP[9, 9, :3].astype(">u2").tobytes(),
        ),
        "png 16 grey with hidden grey": chunked(
            by_libvips(DEEP[..., 0], ".png", "grey16"),
            b"tRNS",
            DEEP[9, 9, 0].astype(">u2").tobytes(),
        ),
        "webp": by_pillow("RGB", "WEBP"),
        "webp with alpha": by_pillow("RGBA", "WEBP"),
        "webp lossless with profile": by_pillow("RGBA", "WEBP", lossless=True, **rgb),
        "tiff": by_pillow("RGB", "TIFF"),
        "tiff rgba": by_pillow("RGBA", "TIFF"),
        "tiff with profile": by_pillow("RGB", "TIFF", **rgb),
        "tiff bilevel": by_pillow("1", "TIFF"),
        "tiff bilevel fax": by_pillow("1", "TIFF", compression="group4"),
        "tiff palette": by_pillow("P", "TIFF"),
        "tiff grey": by_pillow("L", "TIFF"),
        "tiff grey with alpha": by_pillow("LA", "TIFF"),
        "tiff grey with profile": by_pillow("L", "TIFF", **grey),
        "tiff white is zero": tiff(GREY, 0),
        "tiff white is zero, 16 bits": tiff(DEEP[..., 0], 0),
        "tiff premultiplied": tiff(premultiplied, 2, extra=(1,)),
        "tiff premultiplied, 16 bits": tiff(premultiplied.astype(np.uint16) * 257, 2, extra=(1,)),
        "tiff unspecified channel": tiff(RGBA, 2, extra=(0,)),
        "tiff unspecified channel, 16 bits": tiff(DEEP, 2, extra=(0,)),
        "tiff four channels and no word": tiff(RGBA, 2),
        "tiff grey and unspecified": tiff(RGBA[..., 2:], 1, extra=(0,)),
        "tiff five channels": tiff(np.dstack([RGBA, GREY]), 2, extra=(2, 0)),
        "tiff five unspecified": tiff(np.dstack([RGBA, GREY]), 2, extra=(0, 0)),
        "tiff cmyk": by_pillow("CMYK", "TIFF"),
        "tiff cmyk with profile": by_pillow("CMYK", "TIFF", **inks),
        "tiff cmyk and unspecified": tiff(np.dstack([INKS, GREY]), 5, extra=(0,)),
        "tiff cmyk, 16 bits": tiff(INKS.astype(np.uint16) * 257, 5),
        "tiff ycbcr": by_pillow("YCbCr", "TIFF"),
        "tiff ycbcr jpeg": by_libvips(RGB, ".tif", compression="jpeg", Q=95),
        "tiff jpeg": by_pillow("RGB", "TIFF", compression="jpeg"),
        "tiff lab": by_pillow("LAB", "TIFF"),
        "tiff planar": tiff(RGB, 2, planar=True),
        "tiff planar, deflated": tiff(RGBA, 2, planar=True, compress=True, extra=(2,)),
        "tiff big-endian, 16 bits": tiff(DEEP, 2, extra=(2,), order=">"),
        "tiff tiled": by_libvips(RGB, ".tif", tile=True, tile_width=32, tile_height=32),
        "tiff tiled, 16 bits": by_libvips(
            DEEP, ".tif", "rgb16", tile=True, tile_width=32, tile_height=32
        ),
        "tiff pyramid": by_libvips(
            RGB, ".tif", tile=True, pyramid=True, tile_width=32, tile_height=32
        ),
        "tiff lzw": by_pillow("RGBA", "TIFF", compression="tiff_lzw"),
        "tiff packbits": by_pillow("L", "TIFF", compression="packbits"),
        "tiff deflate": by_pillow("RGBA", "TIFF", compression="tiff_adobe_deflate"),
        "bigtiff": by_libvips(RGB, ".tif", bigtiff=True),
    }


NAMES = list(files(b"", b"", b""))


@pytest.mark.parametrize("name", NAMES)
def test_whole_and_by_windows_are_one_picture(
    name, tmp_path, linear_rgb_profile, linear_grey_profile, black_ink_profile
):
    data = files(linear_rgb_profile, linear_grey_profile, black_ink_profile)[name]
    path, folder = tmp_path / "picture[1].bin", tmp_path / "work"
    path.write_bytes(data)
    folder.mkdir()
    picture, windows = load_picture(path), open_windows(path, folder)
    assert (windows.width, windows.height) == (picture.width, picture.height) == (90, 70)
    assert bits_by_windows(path) == windows.bits == picture.bits
    assert windows.has_alpha == (picture.alpha is not None)
    channels = windows.channels(slice(0, 70), slice(0, 90))
    np.testing.assert_allclose(channels[..., :3], picture.rgb, atol=0.6 / 255)
    if picture.alpha is not None:
        np.testing.assert_array_equal(channels[..., 3], picture.alpha)
    assert windows.metadata == picture.metadata


TOLD = {"exif": Image.Exif(), "dpi": (300, 150), "icc_profile": None}
TOLD["exif"][ExifTags.Base.Orientation] = 6
TOLD["exif"][ExifTags.Base.Artist] = "Jan"
TOLD["exif"][ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2024:01:01 00:00:00"}
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<a xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:ImageWidth="90"/></x:xmpmeta>'
)


def told_file(suffix):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", "x" * 70_000)
    texts.add_itxt("Author", "Łukasz")
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    exif = Image.Exif()
    exif.load(TOLD["exif"].tobytes())
    exif[700] = XMP
    more = {
        ".png": {"pnginfo": texts},
        ".jpg": {"comment": b"a cat", "xmp": XMP},
        ".tif": {"exif": exif},
        ".webp": {"xmp": XMP},
    }[suffix]
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, Image.registered_extensions()[suffix], **TOLD | more)
    return buffer.getvalue()


def said(path):
    """All that a file says of its picture."""
    with Image.open(path) as image:
        image.load()
        texts = dict(getattr(image, "text", {}))
        picture = load_picture(path)
        dpi = picture.dpi and tuple(round(number) for number in picture.dpi)
        comment, profile = image.info.get("comment"), image.info["icc_profile"]
        return picture.exif, dpi, picture.xmp, texts, comment, profile, image.mode


@pytest.mark.parametrize("target", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("source", [".jpg", ".png", ".tif", ".webp"])
def test_files_written_by_windows_say_what_whole_ones_say(tmp_path, source, target):
    path = tmp_path / f"given{source}"
    path.write_bytes(told_file(source))
    windows, picture = open_windows(path, tmp_path), load_picture(path)
    assert (windows.width, windows.height) == (picture.width, picture.height) == (70, 90)
    assert windows.metadata == picture.metadata
    assert b"Jan" in picture.exif
    assert picture.xmp is not None
    writer = WindowWriter(tmp_path, width=70, height=90, bits=8)
    writer.write(slice(0, 90), slice(0, 70), windows.channels(slice(0, 90), slice(0, 70)))
    by_windows, whole = tmp_path / f"windows{target}", tmp_path / f"whole{target}"
    name = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}[target]
    writer.save(by_windows, FORMATS[name], metadata=windows.metadata)
    save_picture(picture, whole)
    assert said(by_windows) == said(whole)
    if target == ".png":
        expected = {
            ".png": {"workflow": "x" * 70_000, "Author": "Łukasz"},
            ".jpg": {"Comment": "a cat"},
        }
        texts = {key: text for key, text in said(by_windows)[3].items() if key[:3] != "XML"}
        assert texts == expected.get(source, {})
    np.testing.assert_allclose(load_picture(by_windows).rgb, load_picture(whole).rgb, atol=0.02)


@pytest.mark.parametrize("name", ["jpeg", "png rgba", "png 16 rgb", "tiff cmyk"])
def test_what_is_too_large_for_pillow_is_read_by_windows(name, tmp_path, monkeypatch):
    path = tmp_path / "large"
    path.write_bytes(files(b"", b"", b"")[name])
    picture = load_picture(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr("impasto.images.windows.reading.MAX_PIXELS", 1000)
    assert size_of_file(path) == (90, 70)
    assert bits_by_windows(path) == picture.bits
    windows = open_windows(path, tmp_path)
    found = windows.channels(slice(0, 70), slice(0, 90))[..., :3]
    np.testing.assert_allclose(found, picture.rgb, atol=0.6 / 255)
    path.write_bytes(files(b"", b"", b"")["tiff ycbcr"])  # which only Pillow decodes
    assert size_of_file(path) == (90, 70)
    assert bits_by_windows(path) is None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (("float", 2, (), 3), "RGB in 3 channels of 32 bits, floating point"),
        (("inks", 5, (2,), 1), "CMYK in 5 channels of 8 bits"),
        (("deep", 2, (2, 0), 1), "RGB in 5 channels of 16 bits"),
    ],
)
def test_a_kind_that_is_not_read_is_named_both_ways(kind, said, tmp_path):
    name, photometric, extra, sample_format = kind
    arrays = {
        "float": (RGB / np.float32(255)),
        "inks": np.dstack([INKS, ALPHA]),
        "deep": np.dstack([DEEP, DEEP[..., 0]]),
    }
    path = tmp_path / "odd.tif"
    path.write_bytes(tiff(arrays[name], photometric, extra=extra, sample_format=sample_format))
    for read in (load_picture, lambda path: open_windows(path, tmp_path)):
        with pytest.raises(PictureFileError, match=rf"odd.tif is a TIFF of {said}, which is not"):
            read(path)


def test_a_picture_is_what_it_was_made_of(tmp_path):
    """So that both ways are not wrong alike: the numbers behind some of the kinds."""
    for name in ("png rgb", "tiff cmyk", "tiff ycbcr", "tiff planar", "tiff unspecified channel"):
        picture = load_picture(files(b"", b"", b"")[name])
        np.testing.assert_allclose(picture.rgb * 255, RGB, atol=3.1)
    premultiplied = load_picture(files(b"", b"", b"")["tiff premultiplied, 16 bits"])
    assert isinstance(premultiplied, Picture)
    np.testing.assert_allclose(premultiplied.rgb * 255, RGB, atol=3.1)
