#!/bin/sh
# Not at an upgrade: dpkg says upgrade, rpm says how many versions stay.
set -e
[ -d /run/systemd/system ] || exit 0
case "$1" in
remove | 0) systemctl disable --now token-janitor.service token-janitor-once.timer ;;
esac
