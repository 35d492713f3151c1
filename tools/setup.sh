#!/usr/bin/env bash
# Makes this machine able to build Varve, and with `test` to test it. Safe to run twice: only what is
# missing is installed, so that a second run needs no network.
#   tools/setup.sh build | test
set -euo pipefail
cd "$(dirname "$0")/.."
level=${1:-build}
case $level in
  build | test) ;;
  *) echo "usage: tools/setup.sh build | test" >&2; exit 2 ;;
esac

packages=(
  make                   # the commands of CONTRIBUTING.md
  g++                    # the compiler
  cmake                  # the build description
  ninja-build            # runs it
  ccache                 # a second build takes seconds
  libcurl4-openssl-dev   # HTTP and TLS
  libssl-dev             # static libcrypto: SHA-256 and the signatures of S3 requests
  libpugixml-dev         # the XML of S3
  nlohmann-json3-dev     # small control objects, and --json
  libyaml-dev            # static libyaml: policy files in YAML
  libzstd-dev            # static libzstd: compression and entropy coding
  libcli11-dev           # the command line
  llvm-16-dev            # static libLLVMSupport: BLAKE3
  python3                # the package, the tools and the tests
  python3-dev            # headers for the extension
  python3-venv           # the private environment in .venv
  ca-certificates        # TLS to a store, and to the Python packages
)
if [ "$level" = test ]; then
  packages+=(
    libgtest-dev         # unit tests
    libgmock-dev         # their matchers
    libboost-context-dev # the fibers of the simulator
    clang-14             # the compiler of the fuzz targets
    libclang-rt-14-dev   # libFuzzer and its sanitizers
    ceph-mon             # a real S3 server: its monitor,
    ceph-osd             # its storage,
    radosgw              # its S3 face,
    ceph-common          # and its commands
    curl                 # makes the server's bucket
    strace               # shows which system calls a write makes
    procps               # pgrep, to see the server stop
  )
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [[ $status == *"ok installed" ]] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "as root, install: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@" </dev/null
  }
  echo "installing Debian packages: ${missing[*]}"
  apt update
  apt install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

# A stamp per level and content of the requirements: the second run asks nobody.
stamp() { echo ".venv/.ready-$1-$(cat tools/requirements-*.txt | sha256sum | cut -c1-16)"; }
if [ ! -f "$(stamp "$level")" ] || ! .venv/bin/python -c '' 2>/dev/null; then
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
      { echo "Python 3.10 or later is needed; this is $(python3 --version)" >&2; exit 1; }
    rm -rf .venv
    python3 -m venv .venv
  fi
  echo "installing Python packages: tools/requirements-$level.txt"
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-input \
    -r "tools/requirements-$level.txt" </dev/null
  touch "$(stamp build)" "$(stamp "$level")"
fi

# Known-bad S3 servers, each in an environment of its own below build/servers; s3rver only with Node.
if [ "$level" = test ]; then
  tools/s3_server.sh moto install
  if command -v npm >/dev/null; then tools/s3_server.sh s3rver install; fi
fi
