"""Training photographs: folders and tar shards to batches of crops, the same on every run."""
