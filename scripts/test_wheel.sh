#!/usr/bin/env bash
# Wheel and source archive, built, installed into a bare environment of each Python named (default: python3), and used outside
# this folder on a study that the installed program draws. Versions are those of requirements.lock.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
uv=$root/.venv-uv/bin/uv
[ -x "$uv" ] || uv=uv
unset PYTHONPATH PYTHONDONTWRITEBYTECODE
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$uv" build --quiet --out-dir "$place/dist" .
wheel=$(ls "$place"/dist/*.whl)
archive=$(ls "$place"/dist/*.tar.gz)

# what the wheel holds is what stands in the repository: no file of the package is missing, none is too many
in_repository() { git ls-files --cached --others --exclude-standard src/grasp_psonet | sed 's,^src/,,'; }
in_wheel() { python3 -m zipfile --list "$1" | awk 'NR > 1 {print $1}' | grep --invert-match '\.dist-info/'; }
diff <(in_repository | sort) <(in_wheel "$wheel" | sort) || { echo "the wheel does not hold the package's files"; exit 1; }
python3 -m zipfile --list "$wheel" | grep '\.dist-info/licenses/LICENSE ' >/dev/null || { echo "the wheel brings no licence"; exit 1; }

for python in "${@:-python3}"; do
  python=$(realpath --no-symlinks "$(command -v "$python")")
  home=$place/home-$(basename "$(dirname "$(dirname "$python")")")
  "$uv" venv --quiet --python "$python" "$home/venv"
  bin=$home/venv/bin
  mkdir "$home/outside"
  cd "$home/outside"
  "$uv" pip install --quiet --python "$bin/python" --constraint "$root/requirements.lock" "$wheel"
  "$bin/grasp" --version
  "$bin/grasp" cohort drawn --preset tiny >/dev/null
  "$bin/grasp" check drawn | tail -n 2
  "$bin/grasp" look drawn >/dev/null
  test -s drawn/look/look.html
  "$bin/python" - <<'PYTHON'
import pathlib
import sys

import grasp_psonet

home = pathlib.Path(grasp_psonet.__file__).parent
assert home.is_relative_to(sys.prefix), home
assert (home / "py.typed").exists()
assert all(getattr(grasp_psonet, name) for name in grasp_psonet.__all__)
PYTHON
  # the archive gives the same package, by itself
  "$uv" build --quiet --wheel --out-dir "$home/again" --python "$python" "$archive"
  diff <(in_wheel "$wheel" | sort) <(in_wheel "$home"/again/*.whl | sort) || { echo "the archive lacks files"; exit 1; }
  "$uv" pip install --quiet --python "$bin/python" --no-deps --reinstall "$home"/again/*.whl
  "$bin/grasp" check drawn >/dev/null
  cd "$root"
  rm -rf "$home"
  echo "$("$python" --version): wheel and source archive install and run"
done
