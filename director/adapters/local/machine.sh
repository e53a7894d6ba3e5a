# What init.sh does besides for a VM with a root of its own (machine.py): sourced there, in a cgroup namespace.
# shellcheck shell=sh

# Lays the VM's changes over the stemcell. Paths are relative, because some characters of a path mean more to overlay.
lay_root() {
    cd "$vm"
    upper=disk/upper
    if ! overlay disk 2>"$vm/overlay"; then
        echo "$name: its changes to the root are in memory and end with a reboot: $(cat "$vm/overlay")" >&2
        mount -t tmpfs -o mode=755 tmpfs memory
        mkdir memory/upper memory/work
        upper=memory/upper
        overlay memory
    fi
    # Only what the VM has not changed: its own files are kept over a reboot.
    for file in hostname hosts machine-id resolv.conf; do
        [ -e "$upper/etc/$file" ] || cp --remove-destination "$file" "$root/etc/$file"
    done
    cd /
}

overlay() {
    mount -t overlay -o "lowerdir=lower,upperdir=$1/upper,workdir=$1/work" overlay "$root"
}

# After all mounts. Devices are made, not shown from the host: containers get theirs by their numbers.
fill_root() {
    (
        umask 0
        cd "$root/dev"
        mknod null c 1 3
        mknod zero c 1 5
        mknod full c 1 7
        mknod random c 1 8
        mknod urandom c 1 9
        mknod tty c 5 0
        umask 077
        mknod kmsg c 1 11
        mknod fuse c 10 229
        ln -s /proc/self/fd fd
        ln -s fd/0 stdin
        ln -s fd/1 stdout
        ln -s fd/2 stderr
        ln -s pts/ptmx ptmx
    )
    # Container engines look for each controller under its own name.
    for place in "$root"/sys/fs/cgroup/*,*; do
        [ -e "$place" ] || continue
        for controller in $(echo "${place##*/}" | tr , ' '); do
            ln -s "${place##*/}" "$root/sys/fs/cgroup/$controller"
        done
    done
    hand_down "$root/sys/fs/cgroup"
}

# Version 2 alone: a group with processes hands nothing down, so ours leave the top for a group of their own.
hand_down() {
    [ -e "$1/cgroup.controllers" ] || return 0
    mkdir -p "$1/init"
    echo 0 >"$1/init/cgroup.procs"
    for controller in $(cat "$1/cgroup.controllers"); do
        echo "+$controller" >"$1/cgroup.subtree_control" || true
    done
}
