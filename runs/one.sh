#!/bin/sh
# One training that the other scripts share: runs/one.sh FILE ARGUMENTS OF impasto train style
# TASK=sr trains super-resolution instead.
# A file that is there is left; an unfinished training goes on.
set -eu
output=$1
shift
[ -e "$output" ] && exit
if [ -e "${output%.onnx}.run/checkpoint.safetensors" ]; then
  set -- --resume
fi
exec "${IMPASTO:-impasto}" train "${TASK:-style}" "$@" -o "$output"
