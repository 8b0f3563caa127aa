#!/bin/sh
# Compare times, numbers of photographs and starts: runs/time_and_photos.sh PHOTOS OUT
# Trains starry_night from nothing for 2 to 60 minutes, and for 10 on 100 and on 1,000 of the
# photographs; and from another style, as `--minutes` does, for 2 to 20. About two and a half hours;
# then benchmarks/style_objective.py compares them.
set -eu
[ $# -eq 2 ] || { echo "usage: runs/time_and_photos.sh PHOTOS OUT" >&2; exit 2; }
photos=$1 out=$2
painting=$(dirname "$0")/../examples/paintings/starry_night.jpg
train() { # FILE PHOTOS MINUTES ARGUMENTS...
  file=$out/$1.onnx photos_here=$2 minutes=$3
  shift 3
  "$(dirname "$0")/one.sh" "$file" "$painting" --photos "$photos_here" --minutes "$minutes" "$@"
}
mkdir -p "$out"
for number in 100 1000; do
  folder=$out/photos_$number
  [ -d "$folder" ] && continue
  mkdir "$folder"
  # Every k-th by name: the same ones on every machine.
  find "$photos" -type f | sort > "$out/all.txt"
  every=$(($(wc -l < "$out/all.txt") / number))
  awk "NR % $every == 1 || $every == 1" "$out/all.txt" | head -n "$number" | while read -r file; do
    ln -s "$(realpath "$file")" "$folder/"
  done
done
for minutes in 2 5 10 20; do
  train "minutes_$minutes" "$photos" "$minutes" --init none
  train "started_$minutes" "$photos" "$minutes"
done
for number in 100 1000; do train "photos_$number" "$out/photos_$number" 10 --init none; done
train minutes_60 "$photos" 60 --init none
