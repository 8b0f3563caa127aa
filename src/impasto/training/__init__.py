"""Recipes, tasks, the training loop and its checkpoints."""
