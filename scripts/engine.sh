#!/usr/bin/env bash
# A Docker engine and base images for the compose tests, on a Debian machine that may have neither; as root.
#   scripts/engine.sh up      start an engine if none answers, add compose v2, and make sure of the base images:
#                             pulled, or, where no registry can be reached, made of Debian's and PyPI's packages
#   scripts/engine.sh env     the variables that make the compose file use the images made here; nothing if pulled
#   scripts/engine.sh down    stop the engine that `up` started
# Exit code 1, with one line that says why, where an engine or the images cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
state=${ENGINE_DIR:-/var/tmp/voxloom-engine}
log=$state/log
mkdir -p "$state"

die() {
  echo "engine.sh: $*" >&2
  exit 1
}

need_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$1 is missing and this is not root on Debian"; }

install_packages() { # PACKAGE...
  (apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@") \
    >>"$log" 2>&1 </dev/null || die "apt-get install $* failed: see $log"
}

answers() { docker info >/dev/null 2>&1; }

start_engine() {
  answers && return
  command -v dockerd >/dev/null || {
    need_root "a Docker engine"
    RUNLEVEL=1 install_packages docker.io iptables
    answers && return # started by its package
  }
  setsid dockerd >"$state/dockerd.log" 2>&1 </dev/null &
  echo $! >"$state/dockerd.pid"
  local tries=0
  until answers; do
    kill -0 "$(cat "$state/dockerd.pid")" 2>/dev/null ||
      die "the engine ended at once: $(grep -v level=info "$state/dockerd.log" | tail -n 2)"
    [ $((tries += 1)) -le 60 ] || die "the engine does not answer within 60 s: see $state/dockerd.log"
    sleep 1
  done
}

mirror() { # the Debian mirror that this machine uses
  awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' \
    $(find /etc/apt -name '*.sources' -o -name '*.list') /dev/null | head -n 1
}

# Debian 12 has no compose v2. The plugins of Debian 13 are static programs: they are unpacked, nothing is installed.
add_plugins() {
  docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1 && return
  need_root "Docker Compose v2"
  local apt=$state/apt plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$plugins"
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' "$(mirror)" \
    /usr/share/keyrings/debian-archive-keyring.gpg >"$apt/trixie.sources"
  local options=(-q -o "Dir::Etc::sourcelist=$apt/trixie.sources" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
  (cd "$apt" && apt-get "${options[@]}" update && apt-get "${options[@]}" download docker-compose docker-buildx &&
    for package in *.deb; do dpkg-deb -x "$package" unpacked; done) >>"$log" 2>&1 || die "no compose v2: see $log"
  find "$apt/unpacked" -path '*cli-plugins/docker-*' -type f -exec install -m 755 {} "$plugins" \;
  docker compose version >/dev/null || die "Docker Compose v2 does not run"
}

have() { docker image inspect "$1" >/dev/null 2>&1; }
pulled() { have "$1" || docker pull -q "$1" >/dev/null 2>>"$log"; }

public_images() {
  sed -n -E 's/^(PYTHON|RABBITMQ|MINIO|PROMETHEUS)_IMAGE=//p' .env.example
}

pull_all() {
  local image
  for image in $(public_images); do pulled "$image" || return 1; done
}

make_images() {
  have voxloom-test/python || {
    need_root debootstrap
    command -v debootstrap >/dev/null || install_packages debootstrap
    debootstrap --variant=minbase --include=ca-certificates,openssl,python3,python3-venv,python3-pip \
      bookworm "$state/root" "$(mirror)" >>"$log" 2>&1 || die "debootstrap failed: see $log"
    ln -sf python3 "$state/root/usr/bin/python"
    # A machine behind a proxy that signs for others needs that proxy's authority inside as well.
    cp /etc/ssl/certs/ca-certificates.crt "$state/root/etc/ssl/certs/ca-certificates.crt"
    tar -C "$state/root" --exclude=./var/cache/apt/archives/*.deb -c . | docker import \
      -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PIP_BREAK_SYSTEM_PACKAGES=1' \
      -c 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
      - voxloom-test/python >/dev/null
    rm -rf "$state/root"
  }
  local target
  for target in rabbitmq s3 prometheus; do
    have "voxloom-test/$target" || docker buildx build --load -q -f tests/compose/images.Dockerfile \
      --target "$target" -t "voxloom-test/$target" tests/compose >>"$log" 2>&1 || die "no image $target: see $log"
  done
}

case "${1:-}" in
  up)
    start_engine
    add_plugins
    rm -f "$state/made"
    pull_all || { make_images && touch "$state/made"; }
    ;;
  env)
    [ ! -e "$state/made" ] || echo export PYTHON_IMAGE=voxloom-test/python RABBITMQ_IMAGE=voxloom-test/rabbitmq \
      MINIO_IMAGE=voxloom-test/s3 PROMETHEUS_IMAGE=voxloom-test/prometheus
    ;;
  down)
    [ ! -s "$state/dockerd.pid" ] || kill "$(cat "$state/dockerd.pid")" 2>/dev/null || true
    rm -f "$state/dockerd.pid"
    ;;
  *) sed -n '2,7p' "$0" && exit 2 ;;
esac
