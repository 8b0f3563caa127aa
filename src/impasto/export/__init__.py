"""From a trained network to a model file, and from one kind of model file to another."""
