#!/bin/sh
# Train what is worth a GPU, side by side, for some minutes: runs/gpu.sh PHOTOS PAINTINGS OUT MINUTES
exec "${PYTHON:-python3}" "$(dirname "$0")/gpu.py" "$@"
