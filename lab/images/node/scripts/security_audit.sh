#!/bin/bash
# Permissions, firewall, certificate, sshd, failed logins.
set -uo pipefail
bad=0
complain() { echo "FAIL: $*"; bad=1; }

[ "$(stat -c %a /etc/tokenswap/keypairs)" = 700 ] || complain "the key directory is not 0700"
[ -z "$(find /etc/tokenswap/keypairs -type f ! -perm 0600)" ] || complain "a key file is not 0600"
[ -z "$(find /opt/tokenswap/scripts -perm /022)" ] || complain "a script may be changed by others"
grep -q 'deny (incoming)' <<< "$(ufw status verbose)" || complain "ufw does not deny incoming by default"
openssl x509 -checkend $((30 * 86400)) -noout -in /etc/ssl/certs/tokenswap.crt > /dev/null || complain "the certificate ends within 30 days"
sshd=$(sshd -T 2>/dev/null)
grep -qx 'permitrootlogin no' <<< "$sshd" || complain "root may log in over ssh"
grep -qx 'passwordauthentication no' <<< "$sshd" || complain "sshd takes passwords"
[ -s /var/log/auth.log ] || complain "there is no auth.log"
failed=$(grep -c 'Failed password' /var/log/auth.log)
[ "${failed:-0}" -le 100 ] || complain "$failed failed logins"
[ "$bad" = 0 ] && echo "OK"
exit "$bad"
