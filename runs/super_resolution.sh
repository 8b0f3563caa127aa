#!/bin/sh
# Train super-resolution again, each with its recipe: runs/super_resolution.sh PHOTOS OUT [NAME...]
# About six hours on two cores for all. A model that exists is skipped, and a stopped training
# continues. A recipe that starts from another model looks for it in OUT, so keep the order below.
set -eu
[ $# -ge 2 ] || { echo "usage: runs/super_resolution.sh PHOTOS OUT [NAME...]" >&2; exit 2; }
photos=$1 out=$2
shift 2
recipes=$(dirname "$0")/../recipes/sr
[ $# -gt 0 ] || set -- faithful_x4 sharp_first_x4 sharp_x4 \
  faithful_x2 sharp_x2 faithful_x8 sharp_first_x8 sharp_x8 srcnn_first_x4 srcnn_second_x4 srcnn_x4 \
  paper_pixel_x4 paper_feature_x4 paper_pixel_blur_x4 paper_pixel_x8 paper_feature_x8
mkdir -p "$out"
export TASK=sr
for name; do
  start=$(sed -n 's/^initialise_from = "\([^"]*\)".*/\1/p' "$recipes/$name.toml")
  "$(dirname "$0")/one.sh" "$out/$name.onnx" --recipe "$recipes/$name.toml" --photos "$photos" \
    ${start:+--init "$out/$start"}
done
