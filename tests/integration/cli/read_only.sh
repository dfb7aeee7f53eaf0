#!/bin/sh
# Runs a command as the image's user, without capabilities, while no file system can be written to: what a container has
# with a read-only root file system, without one of Docker's own. Must run as root in a mount namespace of its own.
set -eu
mount --make-rprivate /
awk '$4 ~ /(^|,)rw(,|$)/ && $2 !~ "^/(proc|sys|dev$)" { print $2 }' /proc/self/mounts | while read -r point; do
  mount -o remount,bind,ro "$point"
done
if touch /tmp/writable 2>/dev/null; then exit 1; fi
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set -all --inh-caps=-all "$@"
