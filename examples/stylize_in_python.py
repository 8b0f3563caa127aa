"""Stylize photographs from Python: a file, a Pillow picture and an array.

    python examples/stylize_in_python.py

Needs the core install only. Give another style's name or file as the argument.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import impasto

PHOTOS = Path(__file__).parent / "photos"


def main() -> None:
    """Stylize three photographs, given in three ways."""
    style = sys.argv[1] if len(sys.argv) > 1 else "starry_night"
    stylizer = impasto.Stylizer(style)  # opens the model once; call it as often as you like
    print(f"{stylizer.card.title}, computed in {stylizer.precision}")

    # A file gives a Pillow picture, whose save() takes it from there.
    picture = stylizer(PHOTOS / "chelsea.png")
    picture.save("chelsea-stylized.jpg", quality=92)

    # So does a Pillow picture. Its longer side is resized to `size` first, which sets the size of
    # the brush strokes; strength below 1 and keep_colors keep more of the photograph.
    photograph = Image.open(PHOTOS / "coffee.png")
    picture = stylizer(photograph, size=480, strength=0.8, keep_colors=True)
    picture.save("coffee-stylized.jpg", quality=92)

    # An array H×W×3 gives an array: uint8 for uint8, float32 in [0, 1] for floats.
    array = np.asarray(Image.open(PHOTOS / "rocket.jpg"))
    stylized = stylizer(array)
    print(f"{array.shape} {array.dtype} became {stylized.shape} {stylized.dtype}")

    print("wrote chelsea-stylized.jpg and coffee-stylized.jpg")


if __name__ == "__main__":
    main()
