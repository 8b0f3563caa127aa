"""What the operating system gives: locks, streams, signals, forks and free memory."""
