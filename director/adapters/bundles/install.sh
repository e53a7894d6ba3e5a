#!/bin/sh
# Installs the agent that lies beside this script, and starts it. May be run again: the same bundle changes nothing.
# usage: install.sh [--base DIR] [--units DIR] [--enrolment FILE] [--no-start]
#   --base       where everything of the agent is, /var/vcap unless given
#   --units      where systemd's units go
#   --enrolment  how it reaches the director, moved to where the agent looks for it, readable for root alone
#   --no-start   for an image: the agent starts when the machine boots
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
base=/var/vcap units=/etc/systemd/system enrolment='' start=yes
while [ $# -gt 0 ]; do
    case $1 in
        --base) base=$2; shift 2 ;;
        --units) units=$2; shift 2 ;;
        --enrolment) enrolment=$2; shift 2 ;;
        --no-start) start=no; shift ;;
        *) echo "install.sh: unknown option $1" >&2; exit 2 ;;
    esac
done

found='' said=''
for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if found=$("$name" "$here/unpack.py" check "$here" 2>&1); then
        break
    fi
    said="$said
  $name: $found"
    found=''
done
if [ -z "$found" ]; then
    echo "install.sh: no Python on this machine can run the agent:$said" >&2
    exit 1
fi
python=$(echo "$found" | head -n 1)
place=$base/bosh/agent/$(cat "$here/digest")-$(echo "$found" | tail -n 1)

mkdir -p "$base/bosh/log" "$base/bosh/agent"
if [ ! -d "$place" ]; then
    rm -rf "$place.new"
    mkdir "$place.new"
    "$python" "$here/unpack.py" into "$place.new" "$here"
    mv "$place.new" "$place"
fi
ln -sfn "$(basename "$place")" "$base/bosh/agent/current.new"
mv -T "$base/bosh/agent/current.new" "$base/bosh/agent/current"

if [ -n "$enrolment" ]; then
    (umask 077 && cat "$enrolment" >"$base/bosh/enrolment.json.new")
    mv "$base/bosh/enrolment.json.new" "$base/bosh/enrolment.json"
    rm -f "$enrolment"
fi

# KillMode: jobs go on while the agent is restarted. append: the agent's log is what "director logs --agent" brings.
mkdir -p "$units/multi-user.target.wants"
cat >"$units/director-agent.service" <<END
[Unit]
Description=Agent of this machine's director
After=local-fs.target systemd-udevd.service
StartLimitIntervalSec=0

[Service]
Environment=PYTHONPATH=$base/bosh/agent/current PYTHONSAFEPATH=1
Environment=MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536
ExecStart=$python -m agent --base $base
WorkingDirectory=/
KillMode=process
Restart=always
RestartSec=2
OOMScoreAdjust=-900
StandardOutput=append:$base/bosh/log/agent.log
StandardError=append:$base/bosh/log/agent.log

[Install]
WantedBy=multi-user.target
END
ln -sfn ../director-agent.service "$units/multi-user.target.wants/director-agent.service"

if [ "$start" = yes ]; then
    systemctl daemon-reload
    systemctl restart director-agent.service
fi
