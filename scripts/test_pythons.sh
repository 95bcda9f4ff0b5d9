#!/usr/bin/env bash
# The package and the product's tests on every Python of these versions that is here, each in an environment of its own;
# arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
for version in 3.11 3.12 3.13; do
  python=""
  for one in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python "python$version"; do
    if python=$("$one" -c 'import sys; print(sys.executable)' 2>/dev/null); then break; fi
  done
  if [ -z "$python" ]; then
    echo "no Python $version here: left out"
    continue
  fi
  echo "Python $version: $python"
  scripts/test_wheel.sh "$python"
  make --no-print-directory VENV=".venv-$version" UV=.venv-uv/bin/uv PYTHON="$python" TESTS="$*" tests
done
