#!/bin/bash
# deploy.sh SERVICE IMAGE: let SERVICE run IMAGE (an id or a tag). What ran before keeps the tag "previous"; when it does
# not start, or the API is not healthy afterwards, rollback.sh goes back to it, and the deployment has failed.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/engine.sh"
service=${1:?which service} image=${2:?which image}
repository=tokenswap-lab/$service

healthy() { # the API says so within a minute
    for _ in $(seq 30); do
        curl -fsS -m 5 --cacert /etc/ssl/certs/lab-root-ca.crt --connect-to api.tokenswap.io:443:127.0.0.1:443 \
            https://api.tokenswap.io/health | grep -q '"status":"healthy"' && return 0
        sleep 2
    done
    return 1
}

wanted=$(image_id "$image")
running=$(engine "$docker/containers/$(container_of "$service")/json" | jq -er .Image)
[ "$running" != "$wanted" ] || { echo "$service runs $wanted already"; exit 0; }
tagged "$running" previous
tagged "$wanted" latest
if ! recreate "$service" "$repository:latest" || ! healthy; then
    echo "$service does not start with $wanted, or the API is not healthy: going back" >&2
    /opt/tokenswap/scripts/rollback.sh "$service"
    exit 1
fi
echo "$service runs $wanted"
