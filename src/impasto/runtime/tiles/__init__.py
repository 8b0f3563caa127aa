"""Pictures of any size in tiles, with the statistics of the whole picture."""
