"""A page for each shipped style, made from its card, its recipe and the results of the benchmarks.

The pages and their pictures are made anew with every build, so that they show what ships.
"""

import json
import statistics
import tomllib
from pathlib import Path

from impasto import Stylizer
from impasto.images.files.io import load_picture, save_picture
from impasto.zoo.card import ModelCard
from impasto.zoo.registry import ModelEntry, list_models

ROOT = Path(__file__).parents[1]
PHOTOGRAPHS = {
    "chelsea": ("chelsea.png", "Stefan van der Walt, CC0"),
    "coffee": ("coffee.png", "Rachel Michetti, CC0"),
    "china": (
        "china.jpg",
        "[danielbuechele](https://www.flickr.com/photos/danielbuechele/6061409035/), "
        "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/), stylized here",
    ),
    "rocket": ("rocket.jpg", "SpaceX, public domain"),
}


def write_style_pages(docs: Path) -> None:
    """Write `styles/*.md` and their pictures below the folder of the docs."""
    folder = docs / "styles"
    folder.mkdir(exist_ok=True)
    # The network for any painting has a page of its own.
    styles = [
        entry
        for entry in list_models(task="style-transfer")
        if entry.released and entry.card and entry.card.painting
    ]
    for entry in styles:
        _draw(entry, folder)
        _write(folder / f"{entry.name}.md", _page(entry.name, entry.card, entry.path))
    names = "\n".join(entry.name for entry in styles)
    _write(
        folder / "index.md",
        "# The shipped styles\n\nEach with its painting, its card, what it scored, and pictures "
        "at full size. To train any of them again: `runs/styles.sh PHOTOS OUT NAME`.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{names}\n```\n",
    )


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def _draw(entry: ModelEntry, folder: Path) -> None:
    """Stylize the photographs that have not been since the model was made."""
    stylizer = None
    for name, (file, _) in PHOTOGRAPHS.items():
        target = folder / f"{entry.name}_{name}.jpg"
        if target.exists() and target.stat().st_mtime > entry.path.stat().st_mtime:
            continue
        stylizer = stylizer or Stylizer(entry.path)
        photograph = load_picture(ROOT / "examples" / "photos" / file)
        save_picture(stylizer.stylize(photograph), target, quality=90, overwrite=True)


def _page(name: str, card: ModelCard, file: Path) -> str:
    painting, training, licences = card.painting, card.training, card.licences
    assert painting is not None
    assert training is not None
    versions = ", ".join(f"{package} {version}" for package, version in training.versions.items())
    losses = ", ".join(f"{term} {value:.4g}" for term, value in training.losses.items())
    facts = {
        "painting": f"{painting.title}, {painting.artist}, {painting.year}; {painting.source}",
        "network": f"{card.architecture.kind}, {'-'.join(map(str, card.architecture.channels))}, "
        f"{card.architecture.num_residual_blocks} residual blocks",
        "file": f"{file.stat().st_size / 1e6:.2f} MB",
        "trained on": training.dataset,
        "for": f"{training.steps:,} steps, {training.minutes:.0f} minutes, {training.hardware}",
        "with": versions,
        "losses reached, unweighted": losses,
        "nearer to the painting": _strength(name),
        "licences": f"code {licences.code}; weights {licences.weights}; painting "
        f"{licences.painting}; training photographs: {licences.training_photographs}",
        "commercial use": f"{licences.commercial_use}: {licences.note}",
    }
    rows = "\n".join(f"| {label} | {text} |" for label, text in facts.items())
    pictures = "\n\n".join(
        f"![{photograph}, stylized]({name}_{photograph}.jpg)\n\n*Photograph: {credit}.*"
        for photograph, (_, credit) in PHOTOGRAPHS.items()
    )
    return f"""# {card.title}

![{card.title}](../../examples/paintings/{name}.jpg)

*{painting.artist}, {painting.year}; {painting.source}.*

```sh
impasto stylize photo.jpg --style {name} -o photo-painted.jpg
```

| | |
|---|---|
{rows}

## At full size

{pictures}

## How it was trained

![The terms of the loss over the steps](../../recipes/style/{name}.curve.png)

```{{literalinclude}} ../../recipes/style/{name}.toml
:language: toml
```
{_legs_before(name)}"""


def _legs_before(name: str) -> str:
    """The recipes of what a style's training began from, the latest first."""
    shown = ""
    while (start := _start_of(name)) is not None:
        shown += f"""
It began from another, trained before:

```{{literalinclude}} ../../recipes/style/{start}.toml
:language: toml
```
"""
        name = start
    return shown


def _start_of(name: str) -> str | None:
    """The recipe whose model a recipe begins from."""
    recipe = tomllib.loads((ROOT / "recipes/style" / f"{name}.toml").read_text())
    start = recipe.get("initialise_from")
    return None if start is None else str(Path(name).parent / start.removesuffix(".onnx"))


def _strength(name: str) -> str:
    """How many times the style loss falls, by `benchmarks/style_strength.py`."""
    results = json.loads((ROOT / "benchmarks/results/style_strength.json").read_text())
    own = results["paintings"].index(name)
    times = []
    for size, rows in results["rows"].items():
        ratios = [
            before[own] / after[own]
            for before, after in zip(rows["untouched"]["styles"], rows[name]["styles"], strict=True)
        ]
        times.append(f"{statistics.median(ratios):.0f} times at {size}²")
    return (
        f"by style loss, {' and '.join(times)}: medians over {results['num_photographs']} "
        f"photographs never seen in training, {results['date']}"
    )
