"""The image transformation networks, their blocks and their architectures as data."""
