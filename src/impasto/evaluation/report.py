"""An evaluation as text: tables in Markdown, or JSON, always with the protocol."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from impasto.evaluation.benchmark import Evaluation, ModelScores
from impasto.evaluation.measures import Column
from impasto.system.visible_text import visible


def to_markdown(evaluation: Evaluation, *, per_picture: bool = False) -> str:
    """Return a table of means, its protocol, and on request tables of all pictures.

    Args:
        evaluation: its scores.
        per_picture: add a row for each picture and method.
    """
    columns = evaluation.columns
    titles = [column.title for column in columns]
    means = (
        [scores.name, model.name, *_cells(model.means, columns)]
        for scores in evaluation.sets
        for model in scores.models
    )
    parts = [
        f"## Super-resolution ×{evaluation.protocol.scale}",
        table(["set", "model", *titles], means),
        _protocol(evaluation),
    ]
    for scores in evaluation.sets if per_picture else ():
        # Methods of one picture stand below each other, because it is they that are compared.
        rows = (
            [model.pictures[index].name, model.name, *_cells(model.pictures[index].values, columns)]
            for index in range(scores.num_pictures)
            for model in scores.models
        )
        parts += [f"### {scores.name}", table(["picture", "model", *titles], rows)]
    return "\n\n".join(parts) + "\n"


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return all scores, picture by picture, as plain data; infinite PSNR is null."""
    return {
        "scale": evaluation.protocol.scale,
        "degradation": evaluation.protocol.degradation,
        "protocol": {
            "low_resolution": evaluation.protocol.low_resolution,
            **{column.key: column.protocol for column in evaluation.columns},
        },
        "warnings": list(evaluation.warnings),
        "sets": [
            {
                "name": scores.name,
                "num_pictures": scores.num_pictures,
                "models": [_model_as_json(model) for model in scores.models],
            }
            for scores in evaluation.sets
        ],
    }


def card_scores(evaluation: Evaluation, model: str) -> dict[str, Any]:
    """Return the entry of an evaluation in a model's card: means by set, each with its protocol.

    Args:
        evaluation: its scores.
        model: the name of its row.
    """
    protocol = evaluation.protocol
    return {
        f"{scores.name} ×{protocol.scale}": {
            "num_pictures": scores.num_pictures,
            "low_resolution": protocol.low_resolution,
            **{
                column.key: {"mean": round(row.means[column.key], 4), "protocol": column.protocol}
                for column in evaluation.columns
                # JSON has no infinity, the PSNR of a picture that equals the truth.
                if math.isfinite(row.means[column.key])
            },
        }
        for scores in evaluation.sets
        for row in scores.models
        if row.name == model
    }


def cell(value: float, column: Column) -> str:
    """Return a number as text for a table."""
    return "∞" if math.isinf(value) else f"{value:.{column.decimals}f}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]

    # Names are those of files: a bar would end the cell, and a tag would be one in a page.
    def escaped(text: str) -> str:
        return visible(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")

    return "\n".join("| " + " | ".join(map(escaped, line)) + " |" for line in lines)


def _protocol(evaluation: Evaluation) -> str:
    counts = ", ".join(f"{s.name} ({s.num_pictures} pictures)" for s in evaluation.sets)
    lines = [f"- Sets: {counts}; means over pictures.", f"- {_low_resolution(evaluation)}."]
    lines += [f"- {line}." for line in _columns(evaluation)]
    # By name, because a model has a row in every set and one protocol.
    models = {model.name: model for scores in evaluation.sets for model in scores.models}
    lines += [f"- {_about(model)}." for model in models.values() if model.precision is not None]
    lines += [f"- **{warning}.**" for warning in evaluation.warnings]
    return "\n".join(lines)


def _columns(evaluation: Evaluation) -> list[str]:
    """Return how the columns were measured, grouped by protocol; the luminance once, as Y."""
    titles_by_protocol: dict[str, list[str]] = {}
    for column in evaluation.columns:
        # Without the unit, which the protocol states.
        titles_by_protocol.setdefault(column.protocol, []).append(column.title.split(",")[0])
    luminance = evaluation.protocol.luminance
    return [f"Y: {luminance}"] + [
        f"{', '.join(titles)}: {said.replace(luminance, 'Y')}"
        for said, titles in titles_by_protocol.items()
    ]


def _low_resolution(evaluation: Evaluation) -> str:
    said = evaluation.protocol.low_resolution
    return said[0].upper() + said[1:]


def _about(model: ModelScores) -> str:
    said = f"{model.name}: learned from {model.degradation or 'unknown'} low resolution; run in "
    said += str(model.precision)
    if model.matches_histogram:
        said += "; afterwards each channel's histogram is matched to the low resolution"
    return said


def _cells(values: Mapping[str, float], columns: tuple[Column, ...]) -> list[str]:
    return [cell(values[column.key], column) for column in columns]


def _model_as_json(model: ModelScores) -> dict[str, Any]:
    return {
        "name": model.name,
        "degradation": model.degradation,
        "precision": model.precision,
        "matches_histogram": model.matches_histogram,
        "means": _finite(model.means),
        "pictures": [
            {"name": picture.name, **_finite(picture.values)} for picture in model.pictures
        ],
    }


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: round(value, 6) if math.isfinite(value) else None for key, value in values.items()}
