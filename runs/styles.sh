#!/bin/sh
# Train shipped styles again, each with its recipe: runs/styles.sh PHOTOS OUT [NAME...]
# About half an hour a style on two cores, and half as much again where there is a recipe for a
# first leg. Without names, all; one that is there is passed over, and one that was stopped goes on.
set -eu
[ $# -ge 2 ] || { echo "usage: runs/styles.sh PHOTOS OUT [NAME...]" >&2; exit 2; }
photos=$1 out=$2
shift 2
recipes=$(dirname "$0")/../recipes/style
[ $# -gt 0 ] || set -- $(basename -s .toml "$recipes"/*.toml)
mkdir -p "$out/first"
for name; do
  set -- "$out/$name.onnx" --recipe "$recipes/$name.toml" --photos "$photos"
  if [ -e "$recipes/first/$name.toml" ]; then
    "$(dirname "$0")/one.sh" "$out/first/$name.onnx" --recipe "$recipes/first/$name.toml" \
      --photos "$photos"
    set -- "$@" --init "$out/first/$name.onnx"
  fi
  "$(dirname "$0")/one.sh" "$@"
done
