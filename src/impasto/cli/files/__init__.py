"""Files of a command: which there are, what happens to each, and where results go."""
