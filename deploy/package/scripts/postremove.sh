#!/bin/sh
# After the files have gone. Debian: remove, purge, or upgrade and others. Red Hat: 0 when none stays.
set -e

root=${DPKG_ROOT:-}
case "$1" in
remove | purge | 0) ;;
*) exit 0 ;;
esac

if [ "$1" != remove ]; then
	rm -f "$root"/etc/systemd/system/multi-user.target.wants/baton@*.service
	rm -rf "$root/run/baton"
	for dir in /etc/baton /var/lib/baton; do
		[ -d "$root$dir" ] || continue
		# The relay may hold commits that nobody else has.
		rmdir "$root$dir" 2>/dev/null || echo "baton: $dir is kept, with what is in it; remove it when you are sure that nobody needs it"
	done
fi
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
