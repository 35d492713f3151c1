#!/usr/bin/env bash
# Installs the clients that bench/s3/run.py measures beside Varve, and a server for it, below
# build/peers. Each in an environment of its own: they are no dependency of anything. What cannot
# be installed here is said and left out. Safe to run twice.
set -uo pipefail
cd "$(dirname "$0")/.."
peers=$PWD/build/peers
mkdir -p "$peers/bin"
left_out() { echo "left out: $1" >&2; }

# module path, version, command: `go install` where the registry lists versions, else a scratch module.
go_peer() {
  local name=$1 module=$2 version=$3 package=$4
  [ -x "$peers/bin/$name" ] && return
  command -v go >/dev/null || { left_out "$name (no Go)"; return; }
  local scratch
  scratch=$(mktemp -d)
  printf 'module peers\ngo 1.24\nrequire %s %s\n' "$module" "$version" >"$scratch/go.mod"
  (cd "$scratch" && GOFLAGS=-mod=mod go build -o "$peers/bin/$name" "$package") || left_out "$name"
  rm -rf "$scratch"
}
go_peer s5cmd github.com/peak/s5cmd/v2 v2.3.0 github.com/peak/s5cmd/v2
go_peer rclone github.com/rclone/rclone v1.75.0 github.com/rclone/rclone
go_peer versitygw github.com/versity/versitygw v1.7.0 github.com/versity/versitygw/cmd/versitygw

python_peer() {
  local folder=$1
  shift
  [ -f "$peers/$folder/.ready" ] && return
  python3 -m venv "$peers/$folder" && "$peers/$folder/bin/python" -m pip install -q "$@" &&
    touch "$peers/$folder/.ready" || left_out "$*"
}
python_peer venv boto3 obstore   # without awscrt, so that boto3 is boto3 alone
python_peer crt 'boto3[crt]'
