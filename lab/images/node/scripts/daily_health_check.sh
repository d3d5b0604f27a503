#!/bin/bash
# The daily look: services, API, database, disk, memory.
set -uo pipefail
bad=0
complain() { echo "FAIL: $*"; bad=1; }

health=$(curl -fsS -m 5 --cacert /etc/ssl/certs/lab-root-ca.crt --connect-to api.tokenswap.io:443:127.0.0.1:443 \
    https://api.tokenswap.io/health)
grep -q '"status":"healthy"' <<< "$health" || complain "the API is not healthy"
for port in 22 80 443; do
    [ -n "$(ss -H -ltn "sport = :$port")" ] || complain "nothing listens on $port"
done
pg_isready -q -h postgres || complain "PostgreSQL does not accept connections"
grep -q '^ENABLED=yes' /etc/ufw/ufw.conf || complain "ufw is off"
df -P -x tmpfs -x overlay | awk 'NR > 1 && $5 + 0 > 80 { print $6, $5; over = 1 } END { exit over }' || complain "a disk is over 80 %"
awk '/^MemTotal/ { t = $2 } /^MemAvailable/ { a = $2 } END { exit a / t < 0.2 }' /proc/meminfo || complain "memory is short"
[ "$bad" = 0 ] && echo "OK"
exit "$bad"
