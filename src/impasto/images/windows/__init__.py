"""Pictures too large for memory, read and written by windows."""
