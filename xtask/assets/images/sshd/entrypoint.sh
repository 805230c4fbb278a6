#!/bin/sh
# AUTHORIZED_KEY (or the mounted file /authorized_keys) may log in as root, admin and guest;
# PASSWORD, if given, is everyone's password. Host keys are made now, so no two containers share them.
set -eu
[ -z "${AUTHORIZED_KEY:-}" ] || printf '%s\n' "$AUTHORIZED_KEY" >/run/authorized_keys
[ ! -f /authorized_keys ] || cat /authorized_keys >>/run/authorized_keys
for user in root admin guest; do
    home=$(getent passwd "$user" | cut -d: -f6)
    mkdir -p "$home/.ssh"
    [ ! -f /run/authorized_keys ] || cp /run/authorized_keys "$home/.ssh/authorized_keys"
    chown -R "$user:$user" "$home/.ssh"
    chmod 700 "$home/.ssh"
    [ -z "${PASSWORD:-}" ] || printf '%s:%s\n' "$user" "$PASSWORD" | chpasswd
done
unset PASSWORD
mkdir -p /run/sshd
ssh-keygen -A >/dev/null
exec "$@"
