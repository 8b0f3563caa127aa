#!/bin/sh
# How wide a network has to be, and the paper's own, on two paintings: runs/widths.sh PHOTOS OUT
# The same seed and order of photographs, 2,000 steps of two small crops and 60 of larger ones; the
# narrow one once more with twice the steps. Some four hours on one core (a painting may be named
# third, so that two can train side by side); then benchmarks/style_objective.py compares them.
set -eu
[ $# -ge 2 ] || { echo "usage: runs/widths.sh PHOTOS OUT [PAINTING...]" >&2; exit 2; }
here=$(dirname "$0")
photos=$1 out=$2
shift 2
[ $# -gt 0 ] || set -- great_wave starry_night
mkdir -p "$out"
train() { # PAINTING FILE STEPS ARGUMENTS...
  painting=$1 file=$2 steps=$3
  shift 3
  "$here/one.sh" "$out/${painting}_$file.onnx" "$here/../examples/paintings/$painting.jpg" \
    --photos "$photos" --set "stages.0.steps=$steps" --set stages.1.steps=60 \
    --set stages.0.crop_size=128 --set stages.1.crop_size=256 \
    --set stages.0.batch_size=2 --set stages.1.batch_size=2 "$@"
}
for painting in "$@"; do
  train "$painting" 16 2000
  train "$painting" 32 2000 --set "network.channels=[32,64,128]"
  train "$painting" 24 2000 --set "network.channels=[24,48,96]"
  train "$painting" paper 2000 --set network.kind=paper --set "network.channels=[32,64,128]"
  train "$painting" 16_longer 4000
done
