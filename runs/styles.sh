#!/bin/sh
# Train shipped styles again, each with its recipe: runs/styles.sh PHOTOS OUT [NAME...]
# Where a recipe starts from another model (`initialise_from`), that model's recipe runs first: the
# first and second legs take about an hour on two cores, the last nine minutes on a shared H200, or
# a night on two cores.
# Without names, all; a style that exists is skipped, and a stopped training continues.
set -eu
[ $# -ge 2 ] || { echo "usage: runs/styles.sh PHOTOS OUT [NAME...]" >&2; exit 2; }
photos=$1 out=$2
shift 2
runs=$(dirname "$0")
recipes=$runs/../recipes/style
train() {
  set -- "$1" "$(sed -n "s,^initialise_from = \"\([^\"]*\)\.onnx\".*,$(dirname "$1")/\1,p" \
    "$recipes/$1.toml")"
  [ -z "$2" ] || train "$2"
  mkdir -p "$(dirname "$out/$1")"
  "$runs/one.sh" "$out/$1.onnx" --recipe "$recipes/$1.toml" --photos "$photos" \
    ${2:+--init "$out/$2.onnx"}
}
[ $# -gt 0 ] || set -- $(basename -s .toml "$recipes"/*.toml)
for name; do train "$name"; done
