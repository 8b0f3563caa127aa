#!/bin/sh
# Train shipped styles again, each with its recipe: runs/styles.sh PHOTOS OUT [NAME...]
# About half an hour a style on two cores. Without names, all; one that is there is passed over,
# and one that was stopped goes on.
set -eu
[ $# -ge 2 ] || { echo "usage: runs/styles.sh PHOTOS OUT [NAME...]" >&2; exit 2; }
photos=$1 out=$2
shift 2
recipes=$(dirname "$0")/../recipes/style
[ $# -gt 0 ] || set -- $(basename -s .toml "$recipes"/*.toml)
mkdir -p "$out"
for name; do
  "$(dirname "$0")/one.sh" "$out/$name.onnx" --recipe "$recipes/$name.toml" --photos "$photos"
done
