#!/usr/bin/env bash
# Pins requirements/*.txt, with hashes, from pyproject.toml. Pins stay where they can; --upgrade takes the newest.
# One resolution of everything binds the others, so that a package has one version in all files. Torch and what only
# torch brings (nvidia, cuda, triton; not NVIDIA's client of Riva) stay out: scripts/install.sh installs them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/torch.env
venv=.venv-uv
[ -x "$venv/bin/uv" ] || {
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install -q 'uv==0.13.9'
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tr ' ' '\n' <<<"$TORCH_PACKAGES" >"$work/torch.txt"
[ "${1:-}" = --upgrade ] || cp requirements/dev.txt "$work/all.txt" # uv prefers the pins it finds in its output file

compile() { # OUTPUT EXTRA OPTION...
  "$venv/bin/uv" pip compile -q --universal --fork-strategy fewest --python-version 3.11 --no-header --no-annotate \
    --constraint "$work/torch.txt" --output-file "$1" --extra "$2" "${@:3}" pyproject.toml >/dev/null
}

compile "$work/all.txt" dev
mapfile -t left_out < <(sed -n -E '/^nvidia-riva-client/d; s/^((torch|triton|cuda|nvidia)[a-z0-9-]*)==.*/--no-emit-package=\1/p' "$work/all.txt")
for name in recorder ingest trainer optimizer inference cli embedded dev; do
  extra=${name/embedded/all} # embedded mode runs all services in one process tree
  compile "$work/$name.txt" "$extra" --generate-hashes --constraint "$work/all.txt" "${left_out[@]}"
  echo "# Made by scripts/requirements.sh from pyproject.toml, extra '$extra'. Do not edit." >"requirements/$name.txt"
  cat "$work/$name.txt" >>"requirements/$name.txt"
done
