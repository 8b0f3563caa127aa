#!/bin/sh
# Tune the named styles of the network for any painting and put them into its file:
# runs/named_styles.sh PHOTOS NETWORK OUT STEPS
# Each style starts from the vector that the encoder gives; its norm constants alone are tuned, for
# STEPS steps of two crops of 128². PAINTINGS=DIR names another folder than examples/paintings.
# OUT/any_painting.onnx is the network with the names; NETWORK stays as it is.
set -eu
[ $# -eq 4 ] || { echo "usage: runs/named_styles.sh PHOTOS NETWORK OUT STEPS" >&2; exit 2; }
photos=$1 network=$2 out=$3 steps=$4
here=$(dirname "$0")
paintings=${PAINTINGS:-$here/../examples/paintings}
mkdir -p "$out"
name() { # NAME TITLE ARTIST YEAR
  [ -f "$paintings/$1.jpg" ] || { echo "skipped: no $paintings/$1.jpg" >&2; return 0; }
  [ -e "$out/$1.style.json" ] || "${IMPASTO:-impasto}" train style "$paintings/$1.jpg" \
    --photos "$photos" --init "$network" --set painting.title="$2" --set painting.artist="$3" \
    --set painting.year="$4" --set stages.0.steps="$steps" -o "$out/$1.style.json"
}
name starry_night "The Starry Night" "Vincent van Gogh" 1889
name great_wave "The Great Wave off Kanagawa" "Katsushika Hokusai" "c. 1831"
name the_scream "The Scream" "Edvard Munch" 1893
name composition_vii "Composition VII" "Wassily Kandinsky" 1913
name udnie "Udnie" "Francis Picabia" 1913
name delaunay_metzinger "Jean Metzinger" "Robert Delaunay" 1906
name turner_minotaur "The Wreck of a Transport Ship" "J. M. W. Turner" "c. 1810"
name monet_water_lilies "Water Lilies" "Claude Monet" 1919
name gauguin_tahiti "Tahitian period" "Paul Gauguin" "1890s"
name vangogh_wheat_field "Wheat Field with Cypresses" "Vincent van Gogh" 1889
name renoir_moulin "Bal du moulin de la Galette" "Pierre-Auguste Renoir" 1876
name cezanne_trees "Trees" "Paul Cezanne" ""
"${IMPASTO:-impasto}" models name-styles "$network" "$out"/*.style.json --only --overwrite \
  -o "$out/any_painting.onnx"
