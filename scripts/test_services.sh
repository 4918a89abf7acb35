#!/usr/bin/env bash
# Install from Debian's packages what some tests use: redis-server, postgresql, chromium, nginx, caddy and a Java
# runtime, as far as they are missing. Where there is no apt-get, or no right to use it, say so and go on: those tests
# are skipped.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || missing+=(chromium)
[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || missing+=(nginx-light)
command -v caddy >/dev/null || ! apt-cache show caddy >/dev/null 2>&1 || missing+=(caddy)
command -v java >/dev/null || missing+=(default-jre-headless)
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "make services-for-tests: there is no apt-get here; install ${missing[*]} by other means, or let their tests be skipped." >&2
    exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "make services-for-tests: only root can install ${missing[*]}; their tests are skipped until then." >&2
        exit 0
    fi
    as_root=(sudo -n)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -q --yes --no-install-recommends "${missing[@]}"
