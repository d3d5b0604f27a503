#!/bin/bash
# The newest backup is young, complete, and what the manifest says; the base backup verifies; key pairs are encrypted.
set -uo pipefail
backup=/backup
bad=0
complain() { echo "FAIL: $*"; bad=1; }

newest=$(find "$backup/database" -name 'backup_*.sql.gz' -printf '%f\n' | sort | tail -1)
[ -n "$newest" ] || { complain "there is no dump"; exit 1; }
age=$(( $(date +%s) - $(stat -c %Y "$backup/database/$newest") ))
[ "$age" -le $((26 * 3600)) ] || complain "$newest is $((age / 3600)) h old"
tail=$(zcat "$backup/database/$newest" | tail -c 1024) && grep -q 'PostgreSQL database dump complete' <<< "$tail" || complain "$newest is not complete"
(cd "$backup/database" && grep "  $newest\$" SHA256SUMS | sha256sum --quiet -c -) || complain "$newest is not what the manifest says"

base=$(find "$backup/base" -mindepth 1 -maxdepth 1 -name 'base_*' | sort | tail -1)
/usr/lib/postgresql/15/bin/pg_verifybackup -n -q "${base:-/nonexistent}" || complain "base backup ${base:-none} does not verify"

GNUPGHOME=$(mktemp -d); export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
for file in "$backup"/secure/*; do
    packets=$(gpg --batch --list-only --list-packets "$file" 2>/dev/null) && grep -q 'encrypted data packet' <<< "$packets" || complain "$file is not encrypted"
done
[ "$bad" = 0 ] && echo "OK: $newest, $(basename "$base")"
exit "$bad"
