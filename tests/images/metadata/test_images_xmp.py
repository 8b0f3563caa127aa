"""XMP as XML: what describes the old file goes, in whatever form, and the rest stays as it is."""

import io

import pytest
from PIL import Image

from impasto.images.files.io import load_picture, save_picture
from impasto.images.metadata.xmp_packet import MAX_PACKET_BYTES, as_new, of_size

NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
    "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
    "GImage": "http://ns.google.com/photos/1.0/image/",
    "Device": "http://ns.google.com/photos/dd/1.0/device/",
    "HDRGainMap": "http://ns.apple.com/HDRGainMap/1.0/",
    "apdi": "http://ns.apple.com/pixeldatainfo/1.0/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
}


def packet(attributes="", elements="", prefixes=NAMESPACES):
    declared = " ".join(f'xmlns:{prefix}="{prefixes[prefix]}"' for prefix in prefixes)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {declared}>'
        f'<rdf:Description rdf:about=""{attributes}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta>\n  <?xpacket end="w"?>'
    ).encode()


def made_new(given, width=160, height=140):
    return as_new(given, width=width, height=height).decode()


GONE = [
    ' hdrgm:Version="1.0"',
    " hdrgm:GainMapMax='2.5'",
    ' GCamera:MotionPhoto="1"',
    ' GCamera:MotionPhotoPresentationTimestampUs="-1"',
    ' GCamera:MicroVideo="1"',
    '\n   GCamera:MicroVideoOffset = "20000"',
    ' GDepth:Near="0.5"',
    ' GImage:Mime="image/jpeg"',
    ' HDRGainMap:HDRGainMapVersion="65536"',
    ' apdi:AuxiliaryImageType="urn:com:apple:photo:2020:aux:hdrgainmap"',
]
GONE_ELEMENTS = [
    "<hdrgm:Version>1.0</hdrgm:Version>",
    "<hdrgm:GainMapMax><rdf:Seq><rdf:li>2.5</rdf:li></rdf:Seq></hdrgm:GainMapMax>",
    "<GCamera:MotionPhoto>1</GCamera:MotionPhoto>",
    '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item '
    'Item:Mime="image/jpeg" Item:Semantic="a > b"/></rdf:li></rdf:Seq></Container:Directory>',
    "<Device:Cameras/>",
    "<GDepth:Data><![CDATA[<]]></GDepth:Data >",
]


@pytest.mark.parametrize("attribute", GONE)
def test_what_lies_in_the_old_file_goes_as_an_attribute(attribute):
    given = packet(f' dc:format="image/jpeg"{attribute} dc:source="Jan &amp; Co"')
    expected = given.decode().replace(attribute, "")
    for prefix, namespace in NAMESPACES.items():
        if prefix not in ("rdf", "dc", "GCamera", "GPano", "tiff"):
            expected = expected.replace(f' xmlns:{prefix}="{namespace}"', "")
    assert made_new(given) == expected


@pytest.mark.parametrize("element", GONE_ELEMENTS)
def test_what_lies_in_the_old_file_goes_as_an_element(element):
    kept = "<dc:title>Düne &amp; Meer</dc:title>"
    found = made_new(packet(elements=kept + element + kept))
    assert found.count(kept) == 2
    assert f"{kept}{kept}</rdf:Description>" in found


def test_prefixes_are_but_names():
    prefixes = {"rdf": NAMESPACES["rdf"], "g": NAMESPACES["hdrgm"], "hdrgm": "urn:something:else"}
    found = made_new(packet(' g:Version="1.0" hdrgm:Version="2.0"', prefixes=prefixes))
    assert 'g:Version="1.0"' not in found
    assert 'hdrgm:Version="2.0"' in found


def test_other_words_of_a_camera_stay():
    assert 'GCamera:BurstID="7"' in made_new(packet(' GCamera:BurstID="7"'))


PANORAMA = {
    "FullPanoWidthPixels": (400, 800),
    "FullPanoHeightPixels": (200, 100),
    "CroppedAreaImageWidthPixels": (160, 320),
    "CroppedAreaImageHeightPixels": (140, 70),
    "CroppedAreaLeftPixels": (41, 82),
    "CroppedAreaTopPixels": (31, 16),  # 15.5, rounded to even
}


@pytest.mark.parametrize("form", [' GPano:{}="{}"', "<GPano:{0}>{1}</GPano:{0}>"])
def test_a_panorama_is_scaled_with_the_picture(form):
    old, new = (
        "".join(form.format(name, sizes[i]) for name, sizes in PANORAMA.items()) for i in (0, 1)
    )
    other = form.format("PoseHeadingDegrees", "270.5")
    given = packet(old + other) if form[0] == " " else packet(elements=old + other)
    cleaned = as_new(given, width=160, height=140)
    assert old + other in cleaned.decode()
    assert new + other in of_size(cleaned, width=320, height=70).decode()
    assert of_size(cleaned, width=160, height=140) == cleaned


def test_a_panorama_that_does_not_say_its_own_size_learns_it():
    for given in (
        packet(' GPano:FullPanoWidthPixels="160"'),
        packet(elements="<GPano:FullPanoWidthPixels>160</GPano:FullPanoWidthPixels>"),
    ):
        found = of_size(as_new(given, width=160, height=140), width=640, height=560).decode()
        assert "640" in found
        assert "160" not in found


def test_a_panorama_that_was_made_smaller_before_is_put_right():
    found = made_new(
        packet(' GPano:FullPanoWidthPixels="400" GPano:CroppedAreaImageWidthPixels="320"')
    )
    assert 'GPano:FullPanoWidthPixels="200"' in found
    assert 'GPano:CroppedAreaImageWidthPixels="160"' in found


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "given",
    [
        b"no XML",
        packet()[:-60],
        packet().replace(b"</rdf:RDF>", b""),
        BOMB + b"<x>&b;</x>",
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>',
        packet().replace(b'rdf:about=""', b'rdf:about="" rdf:about=""'),
        packet().decode().encode("utf-16"),
        b"<?xml version='1.0' encoding='no-such'?><x/>",
        b"\xff\xfe<x/>",
        b"<x>&undeclared;</x>",
        b"<x>" + b" " * MAX_PACKET_BYTES + b"</x>",
        b"<a>" * 100_000,
    ],
)
def test_what_is_no_xmp_is_left_out_and_the_picture_read(given):
    assert as_new(given, width=8, height=6) is None
    image, buffer = Image.new("RGB", (8, 6)), io.BytesIO()
    image.save(buffer, "TIFF", tiffinfo={700: given})
    picture = load_picture(buffer.getvalue())
    assert (picture.width, picture.xmp) == (8, None)


def test_deep_and_wide_packets_are_read():
    deep = b"<a>" * 50_000 + b"</a>" * 50_000
    wide = b"<x " + b" ".join(b'a%d="1"' % n for n in range(50_000)) + b"/>"
    assert as_new(deep, width=1, height=1) == deep
    assert as_new(wide, width=1, height=1) == wide


def test_padding_of_zeros_is_no_part_of_a_packet():
    assert made_new(packet() + bytes(100)).endswith('<?xpacket end="w"?>')


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_from_file_to_file(suffix, tmp_path):
    given = packet(' hdrgm:Version="1.0" GPano:FullPanoWidthPixels="160" tiff:Orientation="1"')
    Image.new("RGB", (160, 140)).save(tmp_path / "given.jpg", xmp=given)
    save_picture(load_picture(tmp_path / "given.jpg"), tmp_path / f"out.{suffix}")
    found = load_picture(tmp_path / f"out.{suffix}").xmp
    assert b"hdrgm" not in found
    assert b'GPano:FullPanoWidthPixels="160"' in found
