#!/usr/bin/env bash
# A real S3 server for tests: Ceph RGW over one in-memory OSD, on loopback, all in one folder.
#   tools/rgw.sh start DIR PORT   starts it, makes bucket varve-test, writes DIR/env to source
#   tools/rgw.sh stop DIR         stops it and removes DIR
set -Eeuo pipefail  # E: a failure inside a function meets the trap too.
usage="usage: $0 start DIR PORT | stop DIR"
action=${1:?$usage}
dir=$(realpath -m "${2:?$usage}")

# Ends every process that was started with this folder's configuration (one that failed early wrote no
# id), and removes only a folder that this script made.
stop() {
  [ -f "$dir/ceph.conf" ] || return 0
  local try signal pid left
  for try in $(seq 60); do
    left=$(grep -lzxF -- "$dir/ceph.conf" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 || true)
    [ -n "$left" ] || break
    signal=TERM
    [ "$try" -lt 40 ] || signal=KILL
    for pid in $left; do kill -s "$signal" "$pid" 2>/dev/null || true; done
    sleep 0.1
  done
  rm -rf "$dir"
}
case $action in
  stop) stop; exit 0 ;;
  start) ;;
  *) echo "$usage" >&2; exit 2 ;;
esac

for tool in ceph-mon ceph-osd radosgw radosgw-admin monmaptool ceph curl; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed; see tools/setup.sh" >&2; exit 3; }
done
if [ -d "$dir" ] && [ -n "$(ls -A "$dir")" ]; then
  echo "$dir is not empty; stop the server there or choose another folder" >&2
  exit 2
fi
port=${3:?a port}
mon_port=$((port + 1000))
export CEPH_CONF=$dir/ceph.conf
fsid=$(cat /proc/sys/kernel/random/uuid)
mkdir -p "$dir"/{mon,osd,rgw,run}
: > "$CEPH_CONF"
# A start that fails leaves nothing running; it shows why.
trap 'tail -n 5 "$dir"/*.log >&2 || true; stop' ERR
trap 'stop; exit 130' INT TERM
cat > "$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = v1:127.0.0.1:$mon_port
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = $dir/run
admin socket = $dir/run/\$name.asok
pid file = $dir/\$name.pid
log file = $dir/\$name.log
mon data = $dir/mon
osd data = $dir/osd
rgw data = $dir/rgw
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = 8589934592
osd class update on start = false
osd crush update on start = false
osd crush chooseleaf type = 0
mon osd full ratio = 0.99
mon data avail crit = 1
mon data avail warn = 2
rgw frontends = beast endpoint=127.0.0.1:$port
rgw enable usage log = false
CONF
monmaptool --create --addv a "[v1:127.0.0.1:$mon_port]" --fsid "$fsid" "$dir/monmap" >/dev/null
ceph-mon --conf "$CEPH_CONF" --id a --mkfs --monmap "$dir/monmap"
ceph-mon --conf "$CEPH_CONF" --id a
# Asks the monitor until it agrees: it refuses commands before it has elected itself, and now and then
# one of a client that does not know the cluster's id yet (EPERM). Every command here may be given twice.
ceph() {
  local try
  for try in $(seq 30); do
    if command ceph --conf "$CEPH_CONF" --connect-timeout 20 "$@" >>"$dir/ceph.log" 2>&1; then return 0; fi
    sleep 0.2
  done
  echo "ceph $* failed $try times" >&2
  return 1
}
osd_uuid=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$osd_uuid"
ceph osd crush add osd.0 1.0 root=default host=a
ceph-osd --conf "$CEPH_CONF" --id 0 --mkfs --osd-uuid "$osd_uuid" >>"$dir/start.log" 2>&1
ceph-osd --conf "$CEPH_CONF" --id 0 >>"$dir/start.log" 2>&1
radosgw-admin --conf "$CEPH_CONF" user create --uid=varve --display-name=varve \
  --access-key=varvetest --secret-key=varvetestsecret >/dev/null 2>>"$dir/start.log"
radosgw --conf "$CEPH_CONF" --id rgw.a --name client.rgw.a >>"$dir/start.log" 2>&1
cat > "$dir/env" <<ENV
export AWS_ACCESS_KEY_ID=varvetest
export AWS_SECRET_ACCESS_KEY=varvetestsecret
export AWS_ENDPOINT_URL=http://127.0.0.1:$port
export AWS_REGION=us-east-1
export VARVE_TEST_S3=s3://varve-test/lake
ENV
for _ in $(seq 300); do
  if curl -sf -o /dev/null --aws-sigv4 aws:amz:us-east-1:s3 --user varvetest:varvetestsecret \
    -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" \
    -X PUT "http://127.0.0.1:$port/varve-test"; then
    echo "S3 server at http://127.0.0.1:$port; settings in $dir/env"
    exit 0
  fi
  sleep 0.2
done
echo "the S3 server did not come up" >&2
false
