#!/bin/sh
# pid 1 of a local VM, started by director/adapters/local/boot.py inside the VM's new namespaces:
#     init.sh DIRECTORY ROOT HOSTNAME AGENT...
# Builds the VM's own root, changes into it, then keeps the agent running. It stays a shell because a waiting
# shell is small and reaps every orphan of the VM. A director that dies before saying "go" ends this VM too:
# the read below then finds the end of the file. A machine (machine.py) comes here in its groups already, as they
# must hold before they are its whole view; joining them again changes nothing.
set -eu
umask 022
vm=$1 root=$2 name=$3
shift 3

# First of all, so that nothing of the VM ever ran outside its limits.
while read -r group; do echo 0 >"$group"; done <"$vm/groups"

# The host's /proc still stands here, so this is the pid by which the host knows us.
read -r pid _ </proc/self/stat
echo "$pid"

# A user namespace may not write the file, but may make the call.
{ echo "$name" >/proc/sys/kernel/hostname; } 2>/dev/null || hostname "$name"
machine=no
if [ -e "$vm/machine" ]; then
    machine=yes
    . "${0%/*}/machine.sh"
    lay_root
fi
mount --no-mtab --no-canonicalize --all --fstab "$vm/fstab"
[ "$machine" = no ] || fill_root

read -r go
[ "$go" = go ]
if [ -s "$vm/net" ]; then ip -batch "$vm/net"; fi

# The new root is put over the old one, which is then taken away from under it.
cd "$root"
pivot_root . .
umount -l .
cd /
# Volumes that containers mount for each other come to be seen by them all, as on a machine of its own.
[ "$machine" = no ] || mount --make-rshared /
mkdir -p home media mnt root srv var/cache var/lib var/log var/spool

echo ready
exec </dev/null >>/var/vcap/bosh/log/current 2>&1

set +e
pause=1
while :; do
    read -r began _ </proc/uptime
    "$@"
    status=$?
    read -r ended _ </proc/uptime
    # An agent that held for a minute was well: its next start is not held back.
    [ $((${ended%.*} - ${began%.*})) -lt 60 ] || pause=1
    echo "init: agent ended with status $status, starting it again in $pause s"
    sleep "$pause"
    pause=$((pause * 2))
    [ "$pause" -le 30 ] || pause=30
done
