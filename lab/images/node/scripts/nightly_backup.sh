#!/bin/bash
# Every night: a dump, the configuration, the key pairs (encrypted), a base backup; 95 days of all that are kept.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/backup_env.sh"

now=$(date -u +%s)
dump_database "$now"
[ "$(date -u +%u)" != 7 ] || dump_custom "$now"
archive_config "$now"
archive_keypairs "$now"
base_backup
push_copies
find "$backup/database" "$backup/config" "$backup/secure" -type f -name "*_*" -mtime +95 -delete
find "$backup/wal" -type f -mtime +95 -delete
find "$backup/base" -mindepth 1 -maxdepth 1 -name 'base_*' -mtime +95 -exec rm -rf {} +
echo "backup done"
