"""Model files, their cards, the models that ship and the user's own."""
