#!/bin/sh
# Compare trainings of two minutes: runs/short_trainings.sh PHOTOS OUT
# They start from nothing or from a shipped style, in batches of 1, 2 or 4, at several learning
# rates. Each sees 160 crops of 128² and then 20 of 256², two minutes' work of one core. Files are
# called PAINTING/START-BATCH-RATE.onnx. Half an hour on one core; then
# benchmarks/style_objective.py compares them.
set -eu
[ $# -eq 2 ] || { echo "usage: runs/short_trainings.sh PHOTOS OUT" >&2; exit 2; }
photos=$1 out=$2
here=$(dirname "$0")
train() { # PAINTING START BATCH RATE RATE_OF_LARGE_CROPS
  mkdir -p "$out/$1"
  "$here/one.sh" "$out/$1/$2-$3-$4.onnx" "$here/../examples/paintings/$1.jpg" \
    --photos "$photos" --init "$2" --set optimizer.learning_rate="$4" \
    --set stages.0.steps=$((160 / $3)) --set stages.1.steps=$((20 / $3)) \
    --set stages.0.crop_size=128 --set stages.1.crop_size=256 \
    --set stages.0.batch_size="$3" --set stages.1.batch_size="$3" \
    --set stages.1.learning_rate="$5"
}
train starry_night none 4 2e-3 1e-3
train starry_night none 2 2e-3 1e-3
train starry_night none 1 2e-3 1e-3
train starry_night none 2 4e-3 2e-3
train starry_night none 2 1e-3 5e-4
train starry_night composition_vii 4 2e-3 1e-3
train starry_night composition_vii 2 2e-3 1e-3
train starry_night composition_vii 2 1e-3 5e-4
train starry_night udnie 4 2e-3 1e-3
train great_wave none 4 2e-3 1e-3
train great_wave starry_night 2 1e-3 5e-4
train great_wave composition_vii 2 1e-3 5e-4
