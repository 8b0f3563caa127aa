"""Files to pictures and back: file types, colour profiles, alpha and EXIF stay in this room."""
