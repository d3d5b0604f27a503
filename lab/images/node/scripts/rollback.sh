#!/bin/bash
# rollback.sh SERVICE: let SERVICE run its image with the tag "previous" again.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/engine.sh"
service=${1:?which service}
repository=tokenswap-lab/$service

tagged "$(image_id "$repository:previous")" latest
recreate "$service" "$repository:latest"
echo "$service runs $(image_id "$repository:latest") again"
