#!/usr/bin/env bash
# Installs a part of voxloom into a virtual environment, which it makes if there is none.
#
#   scripts/install.sh VENV NAME     NAME: one of requirements/*.txt; with trainer, embedded and dev comes torch
#   scripts/install.sh VENV torch    torch and torchaudio alone
#
# PYTHON names the interpreter of a new environment (3.11 or newer). TORCH_BUILD is cpu, cuda, or auto, which means
# cuda where there is an NVIDIA driver. TORCH_CPU_INDEX: see scripts/torch.env.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/torch.env
venv=${1:?"usage: scripts/install.sh VENV NAME"}
name=${2:?"usage: scripts/install.sh VENV NAME"}
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '\n==> %s\n' "$*" >&2; }

make_venv() {
  [ -x "$venv/bin/pip" ] && return
  local python=${PYTHON:-$(command -v python3.11 || command -v python3)}
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "voxloom needs Python 3.11 or newer; $python is $("$python" -V 2>&1). Install one and set PYTHON=/path/to/it." >&2
    exit 1
  }
  say "Making $venv with $("$python" -V)"
  "$python" -m venv "$venv" || {
    rm -rf "$venv"
    echo "$python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
  }
}

want_cpu_builds() {
  case "${TORCH_BUILD:-auto}" in
    cpu) ;;
    cuda) return 1 ;;
    auto) ! [ -e /proc/driver/nvidia/version ] && ! command -v nvidia-smi >/dev/null ;;
    *) echo "TORCH_BUILD is '$TORCH_BUILD'; expected cpu, cuda or auto" >&2 && exit 1 ;;
  esac
}

cpu_index_answers() {
  timeout 8 "$venv/bin/python" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' \
    "$TORCH_CPU_INDEX/torchaudio/" 2>/dev/null
}

torch_works() { "$venv/bin/python" -c 'import torch, torchaudio; torchaudio.transforms.Resample()' 2>/dev/null; }

install_torch() { # the small CPU builds where they do and can be had, else the builds of the package index
  local cpu=${TORCH_PACKAGES//===/==}
  if want_cpu_builds && [ -n "$TORCH_CPU_INDEX" ] && cpu_index_answers; then
    say "Installing $cpu, CPU builds (some 200 MB to download)"
    # shellcheck disable=SC2086
    "$venv/bin/pip" install -q --index-url "$TORCH_CPU_INDEX" $cpu && torch_works && return
    say "The CPU builds do not work here; taking the builds of the package index"
    "$venv/bin/pip" uninstall -q -y torch torchaudio
  fi
  say "Installing $TORCH_PACKAGES with CUDA libraries (some 3 GB to download, 5 GB on disk; this takes minutes, once)"
  # shellcheck disable=SC2086
  "$venv/bin/pip" install -q $TORCH_PACKAGES
  torch_works || {
    echo "torch and torchaudio are installed in $venv but do not import together:" >&2
    "$venv/bin/python" -c 'import torch, torchaudio'
  }
}

make_venv
if [ "$name" != torch ]; then
  say "Installing what requirements/$name.txt pins"
  "$venv/bin/pip" install -q --require-hashes -r "requirements/$name.txt"
fi
case $name in torch | trainer | embedded | dev) torch_works || install_torch ;; esac
