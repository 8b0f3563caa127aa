"""The image transformation networks, and what they are made of."""
