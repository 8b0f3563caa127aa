#!/usr/bin/env python3
"""Draw the pictures of the README and the docs from the example photographs, with shipped styles.

.venv/bin/python scripts/pictures.py
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto import Stylizer
from impasto.images.contact_sheet import contact_sheet
from impasto.images.files.io import Picture, load_picture, resize_longer_side, save_picture

ROOT = Path(__file__).parents[1]
NAMES = ("chelsea.png", "coffee.png", "china.jpg", "rocket.jpg")
PHOTOS = [ROOT / "examples" / "photos" / name for name in NAMES]
STYLE = "starry_night"
GALLERY = (
    "starry_night",
    "great_wave",
    "the_scream",
    "udnie",
    "composition_vii",
    "delaunay_metzinger",
)


def main() -> None:
    """Draw the README's row and the gallery."""
    folder = ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    stylizer = Stylizer(STYLE)
    photos = [load_picture(path) for path in PHOTOS]
    stylized = [stylizer.stylize(photo) for photo in photos]
    painting = load_picture(ROOT / "examples" / "paintings" / f"{STYLE}.jpg")
    rows = [[square(picture) for picture in (painting, *group)] for group in (photos, stylized)]
    row = resize_longer_side(Picture(rgb=contact_sheet(rows, cell_size=400)), 1600)
    save_picture(row, folder / "readme_row.jpg", quality=85, overwrite=True)
    blank = np.ones((8, 8, 3), np.float32)
    gallery = [[blank, *(square(photo) for photo in photos)]]
    for style in GALLERY:
        stylizer = Stylizer(style)
        painting = load_picture(ROOT / "examples" / "paintings" / f"{style}.jpg")
        stylized = [stylizer.stylize(photo) for photo in photos]
        gallery.append([square(painting), *map(square, stylized)])
    sheet = Picture(rgb=contact_sheet(gallery, cell_size=320))
    save_picture(sheet, folder / "gallery.jpg", quality=70, overwrite=True)


def square(picture: Picture) -> NDArray[np.float32]:
    """Return the centre of a picture, H×H×3."""
    side = min(picture.width, picture.height)
    top, left = (picture.height - side) // 2, (picture.width - side) // 2
    return picture.rgb[top : top + side, left : left + side]


if __name__ == "__main__":
    main()
