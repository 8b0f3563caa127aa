"""What a file holds beside its pixels: EXIF, XMP, texts and the chunks they lie in."""
