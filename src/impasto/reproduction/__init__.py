"""The claims of the paper, and of the report on it, measured again: one module for each."""
