#!/bin/sh
# Quantize every shipped style for --precision int8: runs/quantize.sh PHOTOS CHECK
# The int8 model is written beside its file; a style that would lose too much prints so, and gets
# none.
set -u
photos=$1
check=$2
cd "$(dirname "$0")/.."
folder=src/impasto/zoo/released
for file in "$folder"/*.onnx; do
  case $file in *.int8.onnx) continue ;; esac
  echo "$file"
  "${IMPASTO:-impasto}" models quantize "$file" --photos "$photos" --check "$check" \
    -o "${file%.onnx}.int8.onnx" --overwrite
done
