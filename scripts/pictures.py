#!/usr/bin/env python3
"""Draw the pictures of the README and the docs from the example photographs, with shipped styles.

.venv/bin/python scripts/pictures.py
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto import Stylizer
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, load_picture, resize_longer_side, save_picture

ROOT = Path(__file__).parents[1]
NAMES = ("chelsea.png", "coffee.png", "china.jpg", "rocket.jpg")
PHOTOS = [ROOT / "examples" / "photos" / name for name in NAMES]
SAVING = {"quality": 70, "overwrite": True}
STYLE = "starry_night"
GALLERY = (
    "starry_night",
    "great_wave",
    "the_scream",
    "udnie",
    "composition_vii",
    "delaunay_metzinger",
)

NAMED = (
    "turner_minotaur",
    "monet_water_lilies",
    "gauguin_tahiti",
    "vangogh_wheat_field",
    "renoir_moulin",
)
"""Styles that the network for any painting holds, and that have no model of their own."""


def main() -> None:
    """Draw the README's row and the galleries."""
    folder = ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    stylizer = Stylizer(STYLE)
    photos = [load_picture(path) for path in PHOTOS]
    stylized = [stylizer.stylize(photo) for photo in photos]
    painting = load_picture(ROOT / "examples" / "paintings" / f"{STYLE}.jpg")
    rows = [[square(picture) for picture in (painting, *group)] for group in (photos, stylized)]
    row = resize_longer_side(Picture(rgb=contact_sheet(rows, cell_size=400)), 1600)
    save_picture(row, folder / "readme_row.jpg", quality=85, overwrite=True)
    paintings = ROOT / "examples" / "paintings"
    save_picture(gallery(GALLERY, paintings, photos), folder / "gallery.jpg", **SAVING)
    paintings = ROOT / "examples" / "more_paintings"
    sheet = gallery(NAMED, paintings, photos, cell_size=240)
    save_picture(sheet, folder / "any_painting.jpg", **SAVING)


def gallery(
    styles: Sequence[str], paintings: Path, photos: Sequence[Picture], *, cell_size: int = 320
) -> Picture:
    """Return photographs (columns) in styles (rows), each beside its painting."""
    blank = np.ones((8, 8, 3), np.float32)
    rows = [[blank, *(square(photo) for photo in photos)]]
    for style in styles:
        stylizer = Stylizer(style)
        stylized = [stylizer.stylize(photo) for photo in photos]
        rows.append([square(load_picture(paintings / f"{style}.jpg")), *map(square, stylized)])
    return Picture(rgb=contact_sheet(rows, cell_size=cell_size))


def square(picture: Picture) -> NDArray[np.float32]:
    """Return the centre of a picture, H×H×3."""
    side = min(picture.width, picture.height)
    top, left = (picture.height - side) // 2, (picture.width - side) // 2
    return picture.rgb[top : top + side, left : left + side]


if __name__ == "__main__":
    main()
