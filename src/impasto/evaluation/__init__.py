"""Measure super-resolution models on test pictures, and record how each number was measured.

The claims of the paper are in `impasto.reproduction`.
"""
