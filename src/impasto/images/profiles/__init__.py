"""Colour profiles: from the colours that a file states to sRGB."""
