"""Names that the package gives a meaning; a module that imports nothing."""

ANY_PAINTING = "any_painting"
"""Of the network for any painting that is used where no other is named."""
