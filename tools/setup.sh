#!/usr/bin/env bash
# Makes this machine able to build (and with `test`, to test) Varve. Safe to run twice.
#   tools/setup.sh build | test
set -euo pipefail
cd "$(dirname "$0")/.."
level=${1:-build}

packages=(
  g++                    # the compiler
  cmake                  # the build description
  ninja-build            # runs it
  ccache                 # a second build costs seconds
  libcurl4-openssl-dev   # HTTP and TLS
  libssl-dev             # SHA-256 for request signing (static libcrypto)
  libpugixml-dev         # S3's XML
  nlohmann-json3-dev     # small control objects, --json
  libzstd-dev            # entropy coding and compression (static)
  libcli11-dev           # the command line
  llvm-16-dev            # carries upstream's BLAKE3 (static libLLVMSupport)
  python3                # the package, tools and tests
  python3-dev            # headers for the extension
  python3-venv           # a private environment
)
if [ "$level" = test ]; then
  packages+=(
    libgtest-dev         # unit tests
    ceph-mon ceph-osd radosgw ceph-common  # a real S3 server (Ceph RGW)
    curl                 # makes its bucket
    procps               # pgrep and pkill, to stop it
  )
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}"
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

requirements=tools/requirements-$level.txt
stamp=.venv/.ready-$(sha256sum "$requirements" tools/requirements-build.txt | sha256sum | cut -c1-16)
if [ ! -f "$stamp" ]; then
  [ -x .venv/bin/python ] || python3 -m venv .venv
  echo "installing Python packages of $requirements"
  .venv/bin/pip install -q --disable-pip-version-check -r "$requirements"
  touch "$stamp"
fi
