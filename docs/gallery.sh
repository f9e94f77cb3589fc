#!/usr/bin/env bash
# Makes the pictures of docs/gallery.md again, and the moving one of the README: a still of each sketch, 12.5 seconds on,
# and eight pictures of each drawing sketch.
#   docs/gallery.sh [NAME …]       (all sketches and the moving picture if none is named)
# FLANEUR names the program (target/release/flaneur if it is not set).
set -euo pipefail
cd "$(dirname "$0")/.."
flaneur=${FLANEUR:-target/release/flaneur}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

still() {
  case $1 in # the shape of what it draws
    heatmap) size=480x240 ;;
    rows) size=456x240 ;;
    learning) size=488x240 ;;
    triptych) size=738x240 ;;
    wall) size=400x240 ;;
    arithmetic) size=360x240 ;;
    dimension) size=840x240 ;;
    laws) size=720x240 ;;
    *) size=240x240 ;;
  esac
  case $1 in # the model that it is shown with
    beat-set | jumps) model=matrix-powers ;;
    drums | noise-loop) model=plastic-units ;;
    tunnel | wall | plane) model=copied-line ;;
    ground) model=scales@256x256 ;;
    island) model=pebbles@256x256 ;;
    laws) model=pebbles@192x192 ;;
    *) model=three-lines ;;
  esac
  "$flaneur" film "$1" -o "$work/$1" --model "$model" --fps 2 --frames 26 --size "$size"
  cp "$work/$1/$(ls "$work/$1" | sort | tail -n 1)" "docs/pictures/$1.png"
}

mkdir -p docs/pictures
if [ $# -gt 0 ]; then
  for name in "$@"; do still "$name"; done
  exit 0
fi
for sketch in sketches/*.rn; do still "$(basename "$sketch" .rn)"; done
for sketch in sketches/data/*.rn; do
  "$flaneur" dataset sheet "$sketch" -o "docs/pictures/data-$(basename "$sketch" .rn).png" --overwrite --count 8 --columns 4 --size 96
done
"$flaneur" film triptych -o docs/pictures/walk.gif --overwrite --bars 10 --fps 8 --size 480x157
