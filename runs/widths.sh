#!/bin/sh
# Compare widths of networks, and the paper's own, on two paintings: runs/widths.sh PHOTOS OUT
# The same seed and order of photographs, 2,400 steps of small crops and 300 of larger ones; the
# narrow one once more with twice the steps. Ten trainings in parallel took nine minutes on an H200
# (on two cores: days; a painting may be named third). benchmarks/style_objective.py compares them.
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
    --photos "$photos" --set "stages.0.steps=$steps" --set "stages.1.steps=$((steps / 8))" "$@"
}
for painting in "$@"; do
  train "$painting" 16 2400
  train "$painting" 32 2400 --set "network.channels=[32,64,128]"
  train "$painting" 24 2400 --set "network.channels=[24,48,96]"
  train "$painting" paper 2400 --set network.kind=paper --set "network.channels=[32,64,128]"
  train "$painting" 16_longer 4800
done
