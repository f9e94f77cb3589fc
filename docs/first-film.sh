#!/bin/sh
# The README's first command: says what it will do, installs what is missing, builds, and films a walk.
#   sh docs/first-film.sh [FILM]      (walk.mp4 if none is named)
set -eu
cd "$(dirname "$0")/.."
film=${1:-walk.mp4}

missing=""
command -v cc >/dev/null || missing="$missing build-essential"
command -v pkg-config >/dev/null || missing="$missing pkg-config"
{ command -v pkg-config >/dev/null && pkg-config --exists alsa; } || missing="$missing libasound2-dev"
command -v ffmpeg >/dev/null || missing="$missing ffmpeg"

if ! command -v cargo >/dev/null; then
  echo "Rust is missing: install it from https://rustup.rs (version 1.95 or newer), then run this again." >&2
  exit 1
fi
if [ -n "$missing" ] && ! command -v apt-get >/dev/null; then
  echo "Missing:$missing. Those are Debian's names; install them with your own package manager, then run this again." >&2
  exit 1
fi

echo "This takes three steps:"
echo "  1. install with apt-get:${missing:- nothing, all of it is here}"
echo "  2. build the program without windows: more than 400 crates, which take"
echo "     about half an hour on two cores the first time, and seconds after that"
echo "  3. film ten seconds of the sketch \"ring\" through the model \"three-lines\": $film"
echo

if [ -n "$missing" ]; then
  echo "1 of 3: installing$missing"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update
  # shellcheck disable=SC2086
  $sudo apt-get install -y $missing
fi
echo "2 of 3: building (cargo shows how many crates are done)"
cargo build --release --no-default-features
echo "3 of 3: filming"
cargo run --quiet --release --no-default-features -- film ring -o "$film"
