#!/bin/sh
# After install or upgrade: let systemd read the unit. A running daemon goes on
# with the old program until an administrator restarts it: an upgrade must not
# switch the site by surprise.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
