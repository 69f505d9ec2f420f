#!/usr/bin/env bash
# Sets up the virtual environment and the system packages that Muster needs. Safe to run again.
# Usage: scripts/setup.sh VENV core|dev
set -euo pipefail
venv=$1 profile=$2
here=$(cd "$(dirname "$0")/.." && pwd)

# Debian packages: bubblewrap isolates workers; MariaDB is the second SQL store that the tests run against.
packages=(bubblewrap)
[ "$profile" = dev ] && packages+=(mariadb-server)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # No package may start a service of its own: the tests start what they need on free ports.
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "setup: cannot install ${missing[*]} without root and apt-get; continuing without" >&2
  fi
fi

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
extra=sklearn
[ "$profile" = dev ] && extra=dev
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$here/constraints.txt" -e "$here[$extra]"
touch "$venv/.core"
[ "$profile" = dev ] && touch "$venv/.dev"
exit 0
