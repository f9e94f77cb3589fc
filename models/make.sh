#!/usr/bin/env bash
# Makes a model like one of the shipped ones in one command: draws the data, trains, measures.
#   models/make.sh NAME [FOLDER]      (default: models/NAME-again)
# NAME is three-lines, copied-line, plastic-units or matrix-powers, which take hours on two cores; or scales, pebbles,
# weave or meadow, which take some twenty minutes and FEATURES=FILE, weights of VGG-16 (random filters without it);
# or lines-x4, which takes as long.
# Ctrl-C saves; the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-}
folder=${2:-models/$name-again}
data=$folder-data.zip

# One sitting to an epoch: begins with `begin`, or goes on where the last one stopped.
train() {
  epochs=$1
  shift
  if [ -e "$folder/training/state.safetensors" ]; then
    done=$(sed -n 's/^epoch = //p' "$folder/training/state.toml")
    [ "$done" -lt "$epochs" ] || return 0
    set -- "$@" --resume
  else
    set -- "$@" "${begin[@]}" --seed 1 --ema 0.999
  fi
  flaneur train "$data" --model "$folder" --epochs "$epochs" --half --rows 5 --cols 5 \
    --licence "MIT OR Apache-2.0" "$@"
  done=$(sed -n 's/^epoch = //p' "$folder/training/state.toml")
  # Ctrl-C ends a training in good order; then the rest of this script must not go on.
  [ "$done" -ge "$epochs" ] || exit 0
}

# Pictures of the drawing sketch of that name.
draw() {
  [ -e "$data" ] || flaneur dataset draw "sketches/data/$name.rn" -o "$data" --count 10000 --seed 1 "$@"
}

flaneur() { cargo run --quiet --release -- "$@"; }

begin=(--arch smooth)
case $name in
  three-lines)
    cargo build --release
    [ -e "$data" ] || flaneur dataset lines --out "$data" --count 10000 --seed 1 --format png
    train 3600 --critic-steps 3 --rate 0.0004
    train 7000 --critic-steps 3 --rate 0.0002
    train 10400 --critic-steps 3 --rate 0.0001
    train 15800 --critic-steps 3 --rate 0.00005
    flaneur score lines --model "$folder"
    ;;
  copied-line)
    cargo build --release
    draw
    train 1000 --critic-steps 3 --rate 0.0004
    train 1600 --critic-steps 3 --rate 0.0002
    ;;
  plastic-units)
    cargo build --release
    draw
    train 1600 --critic-steps 3 --rate 0.0004
    ;;
  matrix-powers)
    cargo build --release
    draw --size 64
    begin=(--config models/matrix-powers/arch.toml --recipe dcgan3)
    train 21
    ;;
  scales | pebbles | weave | meadow)
    cargo build --release
    begin=(--arch texture --size 192x192 --recipe "models/$name/recipe.toml" --licence "MIT OR Apache-2.0")
    [ ! -e "$folder/training/state.safetensors" ] || begin=(--resume)
    flaneur train "data/$name" --model "$folder" --features "${FEATURES:-random}" "${begin[@]}"
    exit 0
    ;;
  lines-x4)
    cargo build --release
    begin=(--arch enlarge --faults three-lines --epochs 7528)
    [ ! -e "$folder-first/training/state.safetensors" ] || begin=(--resume --epochs 7528)
    flaneur train lines --model "$folder-first" "${begin[@]}"
    begin=(--from "$folder-first" --recipe models/lines-x4/last.toml --licence "MIT OR Apache-2.0")
    [ ! -e "$folder/training/state.safetensors" ] || begin=(--resume)
    flaneur train lines --model "$folder" "${begin[@]}"
    exit 0
    ;;
  *)
    echo "models/make.sh NAME [FOLDER]: NAME is three-lines, copied-line, plastic-units, matrix-powers, scales, pebbles," \
      "weave, meadow or lines-x4" >&2
    exit 2
    ;;
esac
flaneur score "$data" --model "$folder" --write
