#!/bin/bash
# Runs one of the scripts beside it and leaves a record of the run: who, when, with which result.
set -u
umask 022
name=${1:?which script}
runs=/var/lib/tokenswap/runs
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
output=$runs/${name%.sh}.log
"$(dirname "$(readlink -f "$0")")/$name" "${@:2}" > "$output.new" 2>&1
rc=$?
mv "$output.new" "$output"
printf '{"script":"%s","started":"%s","finished":"%s","rc":%d,"user":"%s"}\n' \
    "$name" "$started" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$rc" "$(id -un)" >> "$runs/${name%.sh}.jsonl"
exit "$rc"
