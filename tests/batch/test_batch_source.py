import os

import pyarrow as pa
import pyarrow.parquet
import pytest

from impasto.batch.source import (
    ParquetColumns,
    RowGroup,
    find_columns,
    is_parquet,
    list_items,
    list_row_groups,
    target_of_id,
)
from impasto.batch.storage import storage_path
from impasto.errors import BatchError

EVERYWHERE = storage_path("/elsewhere")


def items_of(place, *, output=EVERYWHERE, picture_format=None):
    items = list_items(storage_path(str(place)), output, picture_format=picture_format)
    return [(item.source, item.target) for item in items]


def test_a_folder_keeps_its_shape(pictures):
    assert items_of(pictures) == [
        ("a.png", "a.png"),
        ("below/b.png", "below/b.png"),
        ("c.ppm", "c.ppm.png"),
        ("d.jpg", "d.jpg"),
    ]
    items = list_items(storage_path(str(pictures)), EVERYWHERE, picture_format=None)
    assert items[1].location == str(pictures / "below" / "b.png")


def test_a_format_takes_the_place_of_each_suffix(pictures):
    assert [target for _, target in items_of(pictures, picture_format="webp")] == [
        "a.webp",
        "below/b.webp",
        "c.webp",
        "d.webp",
    ]


def test_an_output_inside_the_folder_is_no_input(pictures):
    output = storage_path(str(pictures / "below"))
    assert [source for source, _ in items_of(pictures, output=output)] == [
        "a.png",
        "c.ppm",
        "d.jpg",
    ]


def test_two_pictures_for_one_name_are_refused(pictures):
    (pictures / "a.jpg").write_bytes(b"")
    assert len(items_of(pictures)) == 5
    with pytest.raises(BatchError, match=r"a\.jpg and a\.png would both become a\.webp"):
        items_of(pictures, picture_format="webp")


def test_a_list_holds_paths_and_addresses(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(
        "# photographs\n\nfolder/a.png\n/data/b.jpg\nfolder/a.png\n"
        "s3://bucket/key/c.jpg\nhttps://example.org/d?size=2\n"
    )
    items = list_items(storage_path(str(file)), EVERYWHERE, picture_format=None)
    assert [(item.source, item.location, item.target) for item in items] == [
        ("folder/a.png", f"{tmp_path}/folder/a.png", "folder/a.png"),
        ("/data/b.jpg", "/data/b.jpg", "data/b.jpg"),
        ("s3://bucket/key/c.jpg", "s3://bucket/key/c.jpg", "bucket/key/c.jpg"),
        ("https://example.org/d?size=2", "https://example.org/d?size=2", "example.org/d.png"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none", None, "is not there"),
        ("a.png", b"", "is a single picture"),
        ("list.txt", b"# nothing\n", "there are no pictures in"),
        ("list.txt", b"../../etc/a.png\n", "expected paths and addresses of pictures"),
        ("list.bin", b"\xff\xfe\x00", "is no text in UTF-8"),
    ],
)
def test_what_is_no_input_is_refused(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BatchError, match=said):
        items_of(tmp_path / name)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BatchError, match="there are no pictures in"):
        items_of(tmp_path)


def write_parquet(path, **columns):
    pyarrow.parquet.write_table(pa.table(columns), path)
    return storage_path(str(path))


def test_a_parquet_is_known_by_its_name_or_by_what_is_in_the_folder(tmp_path, pictures):
    write_parquet(tmp_path / "a.parquet", id=["a"], bytes=[b""])
    assert is_parquet(storage_path(str(tmp_path / "a.parquet")))
    assert not is_parquet(storage_path(str(tmp_path)))  # there are pictures below it
    assert not is_parquet(storage_path(str(pictures)))
    (tmp_path / "only").mkdir()
    write_parquet(tmp_path / "only" / "a.parquet", id=["a"], bytes=[b""])
    assert is_parquet(storage_path(str(tmp_path / "only")))


def test_columns_are_found_by_their_types(tmp_path):
    plain = write_parquet(tmp_path / "a.parquet", name=["a"], picture=[b""], width=[1.0])
    assert find_columns(plain) == ParquetColumns(id="name", bytes="picture")
    nested = write_parquet(
        tmp_path / "b.parquet", id=[1], label=["a"], image=[{"bytes": b"", "path": "a"}]
    )
    assert find_columns(nested) == ParquetColumns(id="id", bytes="image")
    assert find_columns(nested, id_column="label").id == "label"


@pytest.mark.parametrize(
    ("columns", "told", "said"),
    [
        ({"id": ["a"], "x": [1.0]}, {}, "name the one to use with --bytes-column"),
        ({"a": ["a"], "b": ["b"], "bytes": [b""]}, {}, "name the one to use with --id-column"),
        ({"id": ["a"], "bytes": [b""]}, {"id_column": "name"}, "has no column 'name'; it has id"),
    ],
)
def test_columns_that_are_not_clear_are_refused(tmp_path, columns, told, said):
    place = write_parquet(tmp_path / "a.parquet", **columns)
    with pytest.raises(BatchError, match=said):
        find_columns(place, **told)


def test_a_parquet_is_cut_into_its_row_groups(tmp_path):
    table = pa.table({"id": range(5), "bytes": [b""] * 5})
    for name in ("b", "a", "_left_out"):
        pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet", row_group_size=3)
    groups, num_rows = list_row_groups(storage_path(str(tmp_path)))
    assert num_rows == 10
    assert groups == [
        RowGroup(f"{tmp_path}/{name}.parquet", number) for name in "ab" for number in (0, 1)
    ]
    one, num_rows = list_row_groups(storage_path(str(tmp_path / "b.parquet")))
    assert (one, num_rows) == (groups[2:], 5)


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_text("no table")
    with pytest.raises(BatchError, match="cannot be read as Parquet"):
        find_columns(storage_path(str(tmp_path / "a.parquet")))


def test_ids_become_names():
    assert target_of_id("a/b", None) == "a/b.jpg"
    assert target_of_id("7", "png") == "7.png"
    for bad in ("", "/etc/x", "a/../b", "a//b", "a\nb"):
        with pytest.raises(BatchError, match="cannot be a file's name"):
            target_of_id(bad, None)


# Names


ODD_NAMES = (
    "a:b.png",
    "s3:x.png",
    "%41.png",
    "new\nline.png",
    "q?x=1#f.png",
    " a.png",
    "\u2028.png",
)


@pytest.fixture
def odd_folder(tmp_path):
    """Pictures with names that others take for addresses, and one whose name is no text."""
    folder = tmp_path / "odd"
    (folder / "s3:").mkdir(parents=True)
    for name in (*ODD_NAMES, "s3:/y.png"):
        (folder / name).write_bytes(b"picture")
    try:
        (folder / os.fsdecode(b"bad\xff.png")).write_bytes(b"picture")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    return folder


def test_names_are_names(odd_folder):
    items = list_items(storage_path(str(odd_folder)), EVERYWHERE, picture_format=None)
    good = {item.source: item for item in items if item.error is None}
    assert set(good) == {*ODD_NAMES, "s3:/y.png"}
    for name, item in good.items():
        assert item.target == name
        assert storage_path(item.location).read(max_bytes=10) == b"picture"
    (bad,) = (item for item in items if item.error is not None)
    assert bad.source == "bad\\xff.png"
    assert "no text in UTF-8" in bad.error
    pa.table({"source": [bad.source], "error": [bad.error]})  # goes into a manifest


def test_an_odd_output_is_written_and_listed(odd_folder):
    output = storage_path(str(odd_folder / "what?x=1#y: out"))
    output.inside("s3:x.png").write(b"12")
    assert output.sizes() == {"s3:x.png": 2}
    assert output.inside("s3:x.png").read(max_bytes=2) == b"12"
    assert "bad\udcff.png" in storage_path(str(odd_folder)).sizes()


def test_a_folder_whose_name_is_no_text_is_one_line(odd_folder):
    with pytest.raises(BatchError, match="no text in UTF-8"):
        storage_path(f"{odd_folder}/{os.fsdecode(bytes([0xFF]))}")


def test_a_bad_line_is_a_bad_picture_and_the_others_are_good(tmp_path):
    (tmp_path / "list.txt").write_bytes(
        b"\xef\xbb\xbfa:b.png\r\n%41.png\r\nhttps://[/x.png\r\nbad\xff.png\r\n../x.png\r\n"
        b"https://ex\xe2\x84\x80mple/a.png\r\nnul\0.png\r\na\xe2\x80\xa8b.png"
    )
    items = list_items(storage_path(str(tmp_path / "list.txt")), EVERYWHERE, picture_format=None)
    good = ["a:b.png", "%41.png", "a\u2028b.png"]
    assert [item.source for item in items if item.error is None] == good
    assert items[0].location == f"{tmp_path}/a:b.png"
    bad = {item.source: item.error for item in items if item.error is not None}
    assert list(bad) == [
        *("https://[/x.png", "bad\\xff.png", "../x.png"),
        *("https://ex\u2100mple/a.png", "nul\0.png"),
    ]
    assert all("expected paths" in error or "no text" in error for error in bad.values())


def test_a_list_too_long_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.batch.source.MAX_LIST_BYTES", 10)
    (tmp_path / "list.txt").write_bytes(b"a.png\n" * 2)
    with pytest.raises(OSError, match="more than 10 bytes"):
        items_of(tmp_path / "list.txt")


def test_pipes_in_a_folder_are_passed_over_and_told(pictures):
    os.mkfifo(pictures / "pipe.png")
    told = []
    list_items(
        storage_path(str(pictures)),
        EVERYWHERE,
        picture_format=None,
        on_special=lambda path, kind: told.append((path.name, kind)),
    )
    assert told == [("pipe.png", "a named pipe")]
    assert len(items_of(pictures)) == 4
