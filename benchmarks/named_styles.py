"""The named styles in the file of a network for any painting, on photographs at 256².

For `any_painting.py`: how many photographs are nearest to the style's own painting among all named
ones, and the objective beside that of the released model of that name, where there is one. The
objective is the default preset's, scaled as the released model's card has it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from style_terms import PRESET, SHORT_SIDE

from impasto.data.paintings import load_painting
from impasto.evaluation.painting_pairs import PairScores, evaluate_pairs
from impasto.evaluation.photographs import stylized
from impasto.evaluation.report import table
from impasto.evaluation.style_measures import StyleScorer
from impasto.evaluation.styles import Contender
from impasto.images.files.io import list_pictures
from impasto.runtime.predictor import Predictor
from impasto.zoo.card import model_name
from impasto.zoo.model_file import ModelFile
from impasto.zoo.registry import list_models, resolve_model
from impasto.zoo.style_vectors import StyleNetwork

SIZE = 256
OWN_PAINTINGS = Path(__file__).parents[1] / "examples" / "paintings"


def named_styles(
    network: StyleNetwork,
    paintings: Mapping[str, Path],
    photos: Sequence[Path],
    *,
    on_progress: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """By name of the style: counts, means of the objective, every pair's numbers.

    Args:
        network: with named styles.
        paintings: by the name of a style; those in `examples/paintings` are known.
        photos: files.
        on_progress: called with the name of each photograph.
    """
    known = {model_name(path.stem): path for path in list_pictures(OWN_PAINTINGS)}
    files = {**paintings, **known}
    titles = network.table.styles
    if unknown := [name for name in titles if name not in files]:
        print(f"no painting for the named styles {', '.join(unknown)}: they are left out")
    names = [name for name in titles if name in files]
    if not names:
        return {}
    models = {
        name: network.in_style(network.named_constants(name), name=name, title=titles[name].title)
        for name in names
    }
    singles = {
        entry.name: resolve_model(entry.name)
        for entry in list_models(task="style-transfer")
        if entry.released and entry.name in names
    }
    pairs = evaluate_pairs(
        {"network": as_contenders(models), "released": as_contenders(singles)},
        photos,
        StyleScorer({name: load_painting(files[name], short_side=SHORT_SIDE) for name in names}),
        size=SIZE,
        on_progress=on_progress,
    )
    own, released = (
        {name: [pair for pair in scores if pair.painting == name] for name in names}
        for scores in pairs.scores.values()
    )
    return {
        name: {
            "num_photographs": len(own[name]),
            "num_nearest": sum(pair.nearest == name for pair in own[name]),
            **objectives(own[name], released[name], singles.get(name)),
            "pairs": [pair.as_dict() for pair in own[name]],
            "released_pairs": [pair.as_dict() for pair in released[name]],
        }
        for name in names
    }


def as_contenders(models: Mapping[str, ModelFile]) -> list[Contender]:
    predictors = {name: Predictor(model) for name, model in models.items()}
    return [
        Contender(name, name, lambda _, photograph, run=predictor: stylized(run, photograph))
        for name, predictor in predictors.items()
    ]


def objectives(
    own: Sequence[PairScores], released: Sequence[PairScores], single: ModelFile | None
) -> dict[str, float]:
    """The mean objective of both; empty without a released model that knows its scales."""
    if single is None or single.card.training is None:
        return {}
    weights, scales = PRESET.weights.model_dump(), single.card.training.scales
    if not set(weights) <= set(scales):
        return {}

    def mean(pairs: Sequence[PairScores]) -> float:
        return fmean(
            sum(weight / scales[term] * getattr(pair, term) for term, weight in weights.items())
            for pair in pairs
        )

    return {"objective": mean(own), "released_objective": mean(released)}


def named_table(styles: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, of_style in styles.items():
        cells = [f"{of_style['num_nearest']} of {of_style['num_photographs']}"]
        if "objective" in of_style:
            ours, released = of_style["objective"], of_style["released_objective"]
            cells += [f"{ours:.3f}", f"{released:.3f}", f"{ours / released:.2f}"]
        else:
            cells += ["", "", ""]
        rows.append([name, *cells])
    titles = ["named style", "own painting nearest", "objective", "released model's", "ratio"]
    return table(titles, rows)
