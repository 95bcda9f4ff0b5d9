#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server of its own, from Debian's package, which ends with it:
#   scripts/with_postgresql.sh .venv/bin/pytest tests/reading
# The command finds the server's address in GRASP_TEST_POSTGRESQL.
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ -z "$bin" ]; then
  echo "PostgreSQL is not installed; next: apt-get install postgresql" >&2
  exit 3
fi
folder=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then # the server does not run as root
  chown postgres "$folder"
  as=(runuser -u postgres --)
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$folder"
"${as[@]}" "$bin/initdb" -D "$folder/data" -U grasp --auth=trust --no-sync >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -o "-p $port -k $folder -c listen_addresses=127.0.0.1 -c fsync=off" -w start >/dev/null
trap '"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null; rm -rf "$folder"' EXIT
cd "$OLDPWD"
GRASP_TEST_POSTGRESQL="postgresql://grasp@127.0.0.1:$port/postgres" "$@"
