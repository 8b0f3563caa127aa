"""Videos in files, and cameras, frame by frame; the only room that imports PyAV."""
