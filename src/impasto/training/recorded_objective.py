"""The objective that a model's card records: what its training minimised.

An optimisation and an evaluation use it to compare with the model by the same measure.
"""

from impasto.errors import ModelFileError
from impasto.losses.style_objective import LossNormalisers, ObjectiveSettings, find_preset
from impasto.training.recipe import StyleRecipe
from impasto.zoo.card import ModelCard


def objective_of(card: ModelCard) -> ObjectiveSettings:
    """Return the objective that a style was trained by, without its grid loss.

    Raises:
        ModelFileError: when the card is not of a style that this version can train.
    """
    if card.training is None:
        raise ModelFileError(
            f"{card.name} was not trained by 'impasto train'; its card holds no objective"
        )
    try:
        recipe = StyleRecipe.model_validate(
            {**card.training.recipe, "initialise_from": None, "licences": None}
        )
        normalisers = LossNormalisers(**card.training.scales)
    except ValueError as error:
        raise ModelFileError(
            f"the card of {card.name} holds no recipe of a style that can be read: {error}"
        ) from error
    return ObjectiveSettings(
        find_preset(recipe.objective.preset),
        recipe.style_weights(),
        normalisers,
        recipe.objective.padding,
    )
