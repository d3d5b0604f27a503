# Sourced by the backup scripts: where things are and how the database is reached.
backup=/backup
export PGPASSFILE=/var/lib/lab/pgpass PGSSLMODE=verify-full PGSSLROOTCERT=/etc/ssl/certs/lab-root-ca.crt
export PGHOST=postgres PGDATABASE=tokenswap PGAPPNAME=backup
umask 027

dump_database() { # dump_database UTC-SECONDS: one dump named and dated by that moment, and its line in the manifest
    local name file
    name=backup_$(date -u -d "@$1" +%Y%m%d_%H%M%S).sql.gz
    file=$backup/database/$name
    pg_dump -U backup -w | gzip -6 > "$file.part" || return 1
    mv "$file.part" "$file"
    touch -d "@$1" "$file"
    (cd "$backup/database" && sha256sum "$name" >> SHA256SUMS)
}

dump_custom() { # dump_custom UTC-SECONDS: the same in PostgreSQL's own format
    local name file
    name=backup_$(date -u -d "@$1" +%Y%m%d_%H%M%S).dump
    file=$backup/database/$name
    pg_dump -U backup -w -Fc -f "$file.part" || return 1
    mv "$file.part" "$file"
    touch -d "@$1" "$file"
    (cd "$backup/database" && sha256sum "$name" >> SHA256SUMS)
}

archive_config() { # the configuration without keys, passwords or pass phrases
    local file
    file=$backup/config/config_$(date -u -d "@$1" +%Y%m%d_%H%M%S).tar.gz
    tar -C / -czf "$file" --exclude='*.acl' --exclude='*.key' etc/tokenswap/redis etc/ufw etc/ssh/sshd_config.d \
        etc/cron.d/tokenswap etc/logrotate.d/tokenswap && touch -d "@$1" "$file"
}

archive_keypairs() { # the key pairs, encrypted before they touch the disk
    local file
    file=$backup/secure/keypairs_$(date -u -d "@$1" +%Y%m%d_%H%M%S).tar.gz.gpg
    tar -C /etc/tokenswap -cz keypairs | gpg --batch --yes --quiet --homedir "$GNUPGHOME" --pinentry-mode loopback \
        --passphrase-file /var/lib/lab/backup_passphrase --symmetric --cipher-algo AES256 --s2k-count 65536 -o "$file" \
        && touch -d "@$1" "$file"
}

base_backup() { # the group that reads the store has to read the folders in it too
    local folder
    folder=$backup/base/base_$(date -u +%Y%m%d_%H%M%S)
    pg_basebackup -U backup -w -D "$folder" -X stream -c fast && chgrp -R --reference="$backup" "$folder"
}

push_copies() { # dumps and key archives that are not held off site yet; the manifest always, for it grows
    local offsite=(ssh -q -o BatchMode=yes -o ConnectTimeout=10 -o UserKnownHostsFile=/var/lib/lab/offsite_known_hosts \
        -i /var/lib/lab/copier_ed25519 copier@offsite)
    local held
    held=$("${offsite[@]}" -n held) || return 1
    { (cd "$backup" && find database secure -type f ! -name '*.part' ! -name SHA256SUMS) | sort \
        | comm -23 - <(sort <<< "$held"); echo database/SHA256SUMS; } \
        | tar -C "$backup" -c --verbatim-files-from -T - -f - | "${offsite[@]}" store
}

GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --homedir "$GNUPGHOME" --kill all; rm -rf "$GNUPGHOME"' EXIT
