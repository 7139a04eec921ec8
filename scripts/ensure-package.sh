#!/usr/bin/env bash
# Makes sure that a program is there: from PATH, else as root from Debian's
# package, else it says what to do.
set -euo pipefail
program=$1 package=$2
command -v "$program" >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "== install $program from Debian's package $package"
  apt-get install -y --no-install-recommends "$package" >/dev/null 2>&1 ||
    { apt-get update >/dev/null && apt-get install -y --no-install-recommends "$package" >/dev/null; }
  exit 0
fi
echo "$program is needed and is not on PATH. Install it (on Debian: sudo apt-get install $package), then try again." >&2
exit 1
