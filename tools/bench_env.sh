#!/usr/bin/env bash
# The environment of the benchmark's third client, torch DCP through s3fs: build/bench-env. It is one
# of its own because s3fs and boto3 want different releases of botocore, and pip searches for minutes
# when asked for both. torch is taken from .venv. Safe to run twice.
set -euo pipefail
cd "$(dirname "$0")/.."
env=build/bench-env
[ -f "$env/.ready" ] && exit 0
rm -rf "$env"
mkdir -p build
python3 -m venv "$env"
"$env/bin/python" -m pip install -q --disable-pip-version-check --no-input s3fs </dev/null
site=$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Behind its own packages: what both have is taken from here.
.venv/bin/python -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])' >"$site/torch.pth"
touch "$env/.ready"
