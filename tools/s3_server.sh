#!/usr/bin/env bash
# S3 servers other than Ceph RGW (tools/rgw.sh), for tests: on loopback, all in one folder.
#   tools/s3_server.sh SERVER install          into build/servers, once; 3: it needs a tool that is not here
#   tools/s3_server.sh SERVER start DIR PORT   starts it, makes bucket varve-test, writes DIR/env to source
#   tools/s3_server.sh SERVER stop DIR         stops it and removes DIR
# SERVER: moto (checks no signature and no checksum), s3rver (ignores conditions), minio, and versitygw
# (checks conditions without a lock). docs/stores.md says what was measured on each.
set -euo pipefail
usage="usage: $0 moto|s3rver|minio|versitygw install | start DIR PORT | stop DIR"
server=${1:?$usage}
action=${2:?$usage}
home=$(cd "$(dirname "$0")/.." && pwd)/build/servers
bucket=varve-test
key=varvetest
secret=varvetestsecret

need() { command -v "$1" >/dev/null || { echo "$server needs $1, which is not installed" >&2; exit 3; }; }
go_install() {
  need go
  GOBIN=$home/bin GOFLAGS=-mod=mod GOTOOLCHAIN=local nice go install "$1"
}
case $server in
  moto) binary=$home/moto/bin/moto_server ;;
  s3rver) binary=$home/s3rver/node_modules/.bin/s3rver key=S3RVER secret=S3RVER ;;
  minio | versitygw) binary=$home/bin/$server ;;
  *) echo "$usage" >&2; exit 2 ;;
esac

install() {
  [ ! -e "$binary" ] || return 0
  mkdir -p "$home"
  case $server in
    # Its own environment: packages that nothing else here uses. Flask is what moto[server] adds that
    # S3 needs. Without crc32c and awscrt moto labels a plain CRC-32 as CRC-32C and CRC-64/NVME.
    moto)
      python3 -m venv "$home/moto"
      "$home/moto/bin/python" -m pip install -q --disable-pip-version-check --no-input \
        'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5 'crc32c==2.9.post0' 'awscrt==0.38.1' </dev/null ||
        { rm -rf "$home/moto"; exit 1; }
      ;;
    s3rver)
      need npm
      npm install --silent --no-audit --no-fund --prefix "$home/s3rver" s3rver@3.7.1 </dev/null
      ;;
    versitygw) go_install github.com/versity/versitygw/cmd/versitygw@v1.7.0 ;;
    # The last open release; a version by date, since the project's tags are no Go versions.
    minio) go_install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c ;;
  esac
}

# Ends the server by the id it wrote, and removes only a folder that this script made.
stop() {
  [ -f "$dir/.s3-server" ] || return 0
  local pid try
  pid=$(cat "$dir/pid" 2>/dev/null || true)
  for try in $(seq 60); do
    # A reused id is another program's.
    { [ -n "$pid" ] && grep -qzF "VARVE_S3_SERVER=$dir" "/proc/$pid/environ" 2>/dev/null; } || break
    if [ "$try" -lt 40 ]; then kill "$pid" 2>/dev/null || true; else kill -9 "$pid" 2>/dev/null || true; fi
    sleep 0.1
  done
  rm -rf "$dir"
}

launch() {
  case $server in
    moto) exec "$binary" -H 127.0.0.1 -p "$port" ;;
    s3rver) exec node "$binary" --silent -d "$dir/data" -a 127.0.0.1 -p "$port" --no-vhost-buckets ;;
    minio)
      MINIO_ROOT_USER=$key MINIO_ROOT_PASSWORD=$secret MINIO_BROWSER=off MINIO_UPDATE=off HOME=$dir \
        exec "$binary" server "$dir/data" --address "127.0.0.1:$port" --quiet
      ;;
    versitygw)
      exec "$binary" --port "127.0.0.1:$port" --access "$key" --secret "$secret" --quiet --keep-alive \
        posix --versioning-dir "$dir/versions" "$dir/data"
      ;;
  esac
}

start() {
  [ -e "$binary" ] || { echo "$server is not installed; run: $0 $server install" >&2; exit 3; }
  need curl
  if [ -d "$dir" ] && [ -n "$(ls -A "$dir")" ]; then
    echo "$dir is not empty; stop the server there or choose another folder" >&2
    exit 2
  fi
  mkdir -p "$dir/data" "$dir/versions"
  : > "$dir/.s3-server"
  # A start that fails leaves nothing running; it shows why.
  trap 'tail -n 5 "$dir/log" >&2 || true; stop' ERR
  trap 'stop; exit 130' INT TERM
  (export VARVE_S3_SERVER=$dir; launch) </dev/null >"$dir/log" 2>&1 &
  echo $! > "$dir/pid"
  cat > "$dir/env" <<ENV
export AWS_ACCESS_KEY_ID=$key
export AWS_SECRET_ACCESS_KEY=$secret
export AWS_ENDPOINT_URL=http://127.0.0.1:$port
export AWS_REGION=us-east-1
export VARVE_TEST_S3=s3://$bucket/lake
ENV
  local try
  for try in $(seq 150); do
    if curl -sf -o /dev/null --aws-sigv4 aws:amz:us-east-1:s3 --user "$key:$secret" \
      -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" -X PUT "http://127.0.0.1:$port/$bucket"; then
      echo "$server at http://127.0.0.1:$port; settings in $dir/env"
      return 0
    fi
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
    sleep 0.2
  done
  echo "$server did not come up" >&2
  false
}

case $action in
  install) install ;;
  start) dir=$(realpath -m "${3:?$usage}") port=${4:?$usage}; start ;;
  stop) dir=$(realpath -m "${3:?$usage}"); stop ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
