"""What a person sees: messages, progress bars, downloads, a window."""
