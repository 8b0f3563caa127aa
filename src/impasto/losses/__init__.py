"""The losses: formulas, the loss network, and the objectives made of them."""
