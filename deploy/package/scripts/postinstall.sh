#!/bin/sh
# After the files are there. Debian: configure [OLD-VERSION]. Red Hat: 1 when it is new, 2 when it replaces another.
# DPKG_ROOT is where dpkg installs to, when it isn't the running system.
set -e

root=${DPKG_ROOT:-}
upgraded=
case "$1" in
configure) [ -z "$2" ] || upgraded=yes ;;
[0-9]*) [ "$1" -lt 2 ] || upgraded=yes ;;
*) exit 0 ;;
esac

# The user of the daemons, and their folders: by systemd's tools where they are, also without a running systemd.
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers ${root:+--root="$root"} baton.conf
elif ! grep -q '^baton:' "$root/etc/passwd" 2>/dev/null; then
	# --prefix, unlike --root, needs nothing inside.
	grep -q '^baton:' "$root/etc/group" 2>/dev/null || groupadd ${root:+--prefix "$root"} --system baton
	useradd ${root:+--prefix "$root"} --system --gid baton --home-dir /var/lib/baton --no-create-home \
		--shell /usr/sbin/nologin --comment "baton, MySQL replication" baton
fi
if command -v systemd-tmpfiles >/dev/null; then
	systemd-tmpfiles ${root:+--root="$root"} --create baton.conf
else
	user=$(sed -n 's/^baton:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/passwd")
	group=$(sed -n 's/^baton:[^:]*:\([0-9]*\):.*/\1/p' "$root/etc/group")
	install -d -m 0750 -o root -g "$group" "$root/etc/baton"
	install -d -m 0750 -o "$user" -g "$group" "$root/var/lib/baton" "$root/run/baton"
fi

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# Nothing is lost by it: commits on the leaders wait, or run unprotected, for the second or two that it takes.
	[ -z "$upgraded" ] || systemctl try-restart 'baton@*.service'
fi
