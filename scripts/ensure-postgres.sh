#!/usr/bin/env bash
# Makes sure that bodega will find a PostgreSQL server: one that is installed,
# else one that bodega fetches from Maven Central by itself, else Debian's.
set -euo pipefail
command -v postgres >/dev/null && exit 0
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && exit 0
mirror=${BODEGA_POSTGRES_MIRROR:-https://repo1.maven.org/maven2}
if command -v curl >/dev/null && curl -sfI --max-time 10 "$mirror/io/zonky/test/postgres/embedded-postgres-binaries-bom/maven-metadata.xml" >/dev/null; then
  exit 0
fi
exec "$(dirname "$0")/ensure-package.sh" postgres postgresql
