#!/usr/bin/env bash
# Makes a model like three-lines in one command: draws the dataset, trains, measures.
#   models/three-lines/make.sh [FOLDER]      (default: models/three-lines-again)
# It takes a few hours on two cores. Ctrl-C saves; the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-models/three-lines-again}
data="$(dirname "$folder")/three-lines-data.zip"

cargo build --release
flaneur() { cargo run --quiet --release -- "$@"; }

[ -e "$data" ] || flaneur dataset lines --out "$data" --count 10000 --seed 1

# One sitting to an epoch: begins, or goes on where the last one stopped.
train() {
  epochs=$1
  shift
  if [ -e "$folder/training/state.safetensors" ]; then
    done=$(sed -n 's/^epoch = //p' "$folder/training/state.toml")
    [ "$done" -lt "$epochs" ] || return 0
    set -- "$@" --resume
  else
    set -- "$@" --arch small --seed 1 --ema 0.999
  fi
  flaneur train "$data" --model "$folder" --epochs "$epochs" --critic-steps 3 --half \
    --rows 5 --cols 5 --licence "MIT OR Apache-2.0" "$@"
  done=$(sed -n 's/^epoch = //p' "$folder/training/state.toml")
  # Ctrl-C ends a training in good order; then the rest of this script must not go on.
  [ "$done" -ge "$epochs" ] || exit 0
}

train 3095 --rate 0.0004
train 3935 --rate 0.0002
train 4735 --rate 0.0001
flaneur score lines --model "$folder"
