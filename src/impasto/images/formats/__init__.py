"""What each file format needs: opening, pixel types, encoding, and limits on damaged files."""
