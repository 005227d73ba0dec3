#!/bin/sh
# Before the files go. Debian: remove, or upgrade and others. Red Hat: 0 when none stays, 1 when another replaces it.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
	systemctl stop 'baton@*.service'
fi
