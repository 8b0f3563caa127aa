"""A style whose card tells of a training, and settings that measure next to nothing."""

import hashlib

import pytest

from impasto.images.files.io import list_pictures
from impasto.reproduction.claim import Settings
from impasto.zoo.card import Painting
from model_fixtures import make_card, make_model_bytes
from training_fixtures import tiny_recipe


@pytest.fixture(scope="session")
def negative_style(tmp_path_factory, painting, photos):
    """A style that makes negatives, and whose card says that `painting` was learned so."""
    card = make_card(name="negative")
    digest = hashlib.sha256(painting.read_bytes()).hexdigest()
    training = card.training.model_copy(
        update={
            "recipe": tiny_recipe(painting, photos).model_dump(mode="json"),
            "scales": {"content": 1e5, "style": 1e5, "total_variation": 1e7},
        }
    )
    record = Painting(title="Blotches", sha256=digest, short_side=32)
    card = card.model_copy(update={"training": training, "painting": record})
    path = tmp_path_factory.mktemp("negative-style") / "negative.onnx"
    path.write_bytes(make_model_bytes(card=card))
    return path


@pytest.fixture
def tiny_settings(negative_style, painting, photos):
    files = tuple(path for path in list_pictures(photos) if path.suffix == ".png")
    return Settings(
        effort="tiny",
        photos=files,
        shown=files,
        training=photos,
        paintings=painting.parent,
        styles=(str(negative_style),),
        device="cpu",
    )
