#!/bin/sh
# Before removal, not before an upgrade: stop the daemon, which takes the shared
# IP off this machine. deb says "remove", rpm the number of versions that stay.
set -e
if [ -d /run/systemd/system ] && { [ "${1:-}" = remove ] || [ "${1:-}" = 0 ]; }; then
	systemctl disable --now baton.service
fi
