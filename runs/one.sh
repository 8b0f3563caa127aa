#!/bin/sh
# One training, for the other scripts: runs/one.sh FILE ARGUMENTS OF impasto train style
# TASK=sr trains super-resolution instead. TIME_LIMIT=MINUTES stops it by then, with FILE written.
# A finished FILE is not trained again. An unfinished training continues, also where a time limit
# stopped it: its run folder then holds a record of the FILE it wrote.
set -eu
output=$1
run=${1%.onnx}.run
shift
[ -e "$output" ] && [ ! -e "$run/written_model.json" ] && exit
if [ -e "$run/checkpoint.safetensors" ]; then
  set -- --resume
fi
exec "${IMPASTO:-impasto}" train "${TASK:-style}" "$@" \
  ${TIME_LIMIT:+--time-limit "$TIME_LIMIT"} -o "$output"
