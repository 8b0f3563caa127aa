#!/bin/sh
# How wide a network has to be, and the paper's own, on two paintings: runs/widths.sh PHOTOS OUT
# Some five hours on two cores; then benchmarks/style_objective.py compares them.
set -eu
[ $# -eq 2 ] || { echo "usage: runs/widths.sh PHOTOS OUT" >&2; exit 2; }
paintings=$(dirname "$0")/../examples/paintings
mkdir -p "$2"
for name in great_wave starry_night; do
  for channels in 16,32,64 24,48,96 32,64,128; do
    "$(dirname "$0")/one.sh" "$2/${name}_${channels%%,*}.onnx" "$paintings/$name.jpg" \
      --photos "$1" --set "network.channels=[$channels]"
  done
  "$(dirname "$0")/one.sh" "$2/${name}_paper.onnx" "$paintings/$name.jpg" \
    --photos "$1" --set "network.kind=paper" --set "network.channels=[32,64,128]"
done
