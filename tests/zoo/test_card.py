import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from impasto.errors import ModelFileError
from impasto.zoo.card import (
    CARD_FORMAT,
    ImportRecord,
    ModelCard,
    OwnLoopRecord,
    Painting,
    model_name,
)
from model_fixtures import make_card

printable = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | printable
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(printable, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip

# A card as format 1 was first written: it must stay readable for as long as format 1 is.
FORMAT_1 = """{"format_version":1,"name":"waves","title":"Waves","task":"style-transfer","scale":1,
"created":"2026-11-23","architecture":{"kind":"default","channels":[16,32,64],
"num_residual_blocks":5},"painting":{"title":"Waves","artist":null,"year":"1831","source":null,
"sha256":"SHA","short_side":256},"training":{"recipe":{"steps":10},"dataset":"photographs",
"num_photographs":3,"steps":10,"minutes":1.5,"seed":0,"hardware":"a processor",
"versions":{"torch":"2.13.0"},"loss_network_sha256":"SHA","losses":{"style":0.5},
"scales":{"style":2.0},"initialised_from":null},"licences":{"code":"Apache-2.0",
"weights":"CC-BY-4.0","painting":"public domain","training_photographs":"unknown",
"commercial_use":"unclear","note":""},"scores":{},"impasto_version":"0.1.0"}""".replace(
    "SHA", "0" * 64
)


def test_a_card_of_format_1_is_read():
    card = ModelCard.from_json(FORMAT_1)
    assert (card.name, card.architecture.channels) == ("waves", (16, 32, 64))
    assert card.training.losses == {"style": 0.5}


def test_a_card_of_format_1_is_written_with_the_same_fields():
    written = json.loads(ModelCard.from_json(FORMAT_1).to_json())
    added = {"degradation": None, "imported": None, "quantization": None}
    assert written == json.loads(FORMAT_1) | added


@given(title=printable, scores=st.dictionaries(printable, json_values, max_size=3))
def test_json_keeps_a_card(title, scores):
    card = make_card(title=title, scores=scores)
    assert ModelCard.from_json(card.to_json()) == card


def test_a_year_may_be_a_number():
    painting = Painting(title="The Starry Night", year=1889, sha256="0" * 64, short_side=256)
    assert painting.year == "1889"


def test_a_newer_format_asks_for_an_update():
    newer = json.dumps({"format_version": CARD_FORMAT + 1, "genre": "landscape"})
    with pytest.raises(ModelFileError, match=r"has format 2, .* update Impasto"):
        ModelCard.from_json(newer)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("scale", 2, "a style-transfer model has scale 1"),
        ("scale", 0, "at scale: "),
        ("name", "../evil", "at name: "),
        ("name", "Starry Night", "at name: "),
        ("title", "\x1b[31mred", "at title: "),
        ("created", "2026-02-30", "at created: "),
        ("created", "yesterday", "at created: "),
        ("task", "colorization", "at task: "),
        ("genre", "landscape", "at genre: extra inputs"),
        ("gen\x1bre", "landscape", "at gen[?]re: extra inputs"),
        ("painting", {"title": "x"}, r"at painting\.sha256: field required"),
        ("format_version", "one", "at format_version: "),
    ],
)
def test_a_card_names_the_field_that_is_wrong(field, value, message):
    content = json.loads(FORMAT_1) | {field: value}
    with pytest.raises(ModelFileError, match=message) as raised:
        ModelCard.from_json(json.dumps(content))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"a": NaN}',
        "[" * 100_000,
        '{"a":' * 100_000,
        b"\xff{}",
        "9" * 10_000,
    ],
)
def test_text_that_is_no_card_is_refused(text):
    with pytest.raises(ModelFileError, match=r"not a JSON object|not as expected"):
        ModelCard.from_json(text)


def test_a_card_beyond_all_measure_is_refused():
    with pytest.raises(ModelFileError, match="at most 4194304 are expected"):
        ModelCard.from_json(" " * (4 * 2**20 + 1))


def test_a_card_cannot_be_changed():
    with pytest.raises(ValidationError):
        make_card().name = "another"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("starry_night", "starry_night"),
        ("My Style (2)", "my-style-2"),
        ("神奈川", "style"),
        ("-x-", "x"),
        ("a" * 70, "a" * 64),
    ],
)
def test_names_of_files_become_names_of_models(stem, name):
    assert model_name(stem) == name


def test_a_card_says_either_how_its_model_was_trained_or_where_it_came_from():
    record = ImportRecord(program="another", file="style.pth", sha256="0" * 64)
    imported = make_card(training=None, imported=record)
    assert ModelCard.from_json(imported.to_json()) == imported
    own = make_card(training=None, own_loop=OwnLoopRecord(notes="on noise"))
    assert ModelCard.from_json(own.to_json()) == own
    with pytest.raises(ValidationError, match="either how its model was trained or where"):
        make_card(own_loop=OwnLoopRecord())
    for training, origin in ((None, None), (make_card().training, record)):
        with pytest.raises(ValidationError, match="either how its model was trained or where"):
            make_card(training=training, imported=origin)
