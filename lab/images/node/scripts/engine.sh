# Sourced by deploy.sh and rollback.sh: the Docker engine's own interface, for this host has no docker command.
project=tokenswap-lab
docker=http://docker
engine() { curl -fsS -m 120 --unix-socket /run/docker.sock "$@"; }

container_of() { # container_of SERVICE: the id of its container
    engine -G "$docker/containers/json" -d all=1 --data-urlencode \
        "filters={\"label\":[\"com.docker.compose.project=$project\",\"com.docker.compose.service=$1\",\"com.docker.compose.oneoff=False\"]}" \
        | jq -er '.[0].Id'
}

image_id() { engine "$docker/images/$1/json" | jq -er .Id; }

tagged() { # tagged IMAGE TAG: the service's repository has IMAGE under TAG
    engine -X POST "$docker/images/$1/tag?repo=$repository&tag=$2"
}

# recreate SERVICE IMAGE: its container anew, as Compose does it: the same settings, the other image. What the former
# image had set itself is left out, so that the new one's own settings count. Where the new one does not start, the
# former one does.
recreate() {
    local old name former spec new
    old=$(container_of "$1") || return 1
    name=$(engine "$docker/containers/$old/json" | jq -er '.Name | ltrimstr("/")') || return 1
    former=$(engine "$docker/containers/$old/json" | jq -er .Image) || return 1
    spec=$(jq -n --arg image "$2" \
        --argjson is "$(engine "$docker/containers/$old/json")" --argjson was "$(engine "$docker/images/$former/json")" '
        ($was.Config // {}) as $image_set
        | $is.Config
        | .Env = ((.Env // []) - ($image_set.Env // []))
        | .Labels = ((.Labels // {}) | with_entries(select(.value != ($image_set.Labels // {})[.key])))
        | with_entries(select(.key == "Env" or .key == "Labels" or .value != $image_set[.key]))
        | if .Hostname == $is.Id[:12] then del(.Hostname) else . end
        | .Image = $image
        | .HostConfig = $is.HostConfig
        | .NetworkingConfig.EndpointsConfig = ($is.NetworkSettings.Networks
            | map_values({Aliases: ((.Aliases // []) - [$is.Id[:12]])}))') || return 1
    engine -X POST "$docker/containers/$old/stop?t=30" || return 1
    engine -X POST "$docker/containers/$old/rename?name=${name}_former" || return 1
    new=$(engine -X POST -H 'Content-Type: application/json' -d "$spec" "$docker/containers/create?name=$name" | jq -er .Id)
    if [ -n "$new" ] && engine -X POST "$docker/containers/$new/start"; then
        engine -X DELETE "$docker/containers/$old"
        return
    fi
    [ -z "$new" ] || engine -X DELETE "$docker/containers/$new?force=true"
    engine -X POST "$docker/containers/$old/rename?name=$name"
    engine -X POST "$docker/containers/$old/start"
    return 1
}
