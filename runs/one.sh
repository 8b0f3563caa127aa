#!/bin/sh
# One training, for the other scripts: runs/one.sh FILE ARGUMENTS OF impasto train style
# TASK=sr trains super-resolution instead.
# A file that exists is not trained again; an unfinished training continues.
set -eu
output=$1
shift
[ -e "$output" ] && exit
if [ -e "${output%.onnx}.run/checkpoint.safetensors" ]; then
  set -- --resume
fi
exec "${IMPASTO:-impasto}" train "${TASK:-style}" "$@" -o "$output"
