#!/bin/sh
# rpm.sh RPM PACKAGE FOLDER: installs, runs, upgrades and removes the package by rpm, scripts and all, on what to them is
# this very machine: an overlay, so that nothing of it is changed. It has a mount namespace of its own. Exits with 77
# where the machine doesn't allow that.
set -eu
rpm=$1 package=$2 folder=$3

mount -t tmpfs tmpfs "$folder" 2>/dev/null || exit 77
mkdir "$folder/upper" "$folder/work" "$folder/root"
root=$folder/root
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$root" || exit 77
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"

# The database is empty, so that nothing that the package needs can be found there.
rpm() { "$rpm" --root "$root" --dbpath /var/lib/rpm --noplugins "$@" 2>&1; }
wrong() { echo "$*" && exit 1; }

said=$(rpm -i --nodeps "$package")
case $said in *"scriptlet failed"*) wrong "$said" ;; esac
said=$(rpm -V --nodeps baton) || wrong "files aren't as the package says: $said"
chroot "$root" /usr/bin/baton version
for path in etc/baton:root:baton var/lib/baton:baton:baton run/baton:baton:baton; do
	owner=$(chroot "$root" stat -c '%a:%U:%G' "/${path%%:*}")
	[ "$owner" = "750:${path#*:}" ] || wrong "/${path%%:*} has $owner"
done

echo "# mine" >"$root/etc/baton/baton.example.yaml"
: >"$root/var/lib/baton/kept"
said=$(rpm -U --force --nodeps "$package")
case $said in *"scriptlet failed"*) wrong "$said" ;; esac
[ "$(cat "$root/etc/baton/baton.example.yaml")" = "# mine" ] || wrong "the upgrade replaced a changed configuration"

said=$(rpm -e baton)
case $said in *"/var/lib/baton is kept"*) ;; *) wrong "the state isn't named: $said" ;; esac
[ ! -e "$root/usr/bin/baton" ] || wrong "the program stays"
[ -e "$root/var/lib/baton/kept" ] || wrong "the state goes"
[ -e "$root/etc/baton/baton.example.yaml.rpmsave" ] || wrong "the changed configuration goes"
rpm -q baton && wrong "rpm still knows it"
echo "installed, run, upgraded and removed"
