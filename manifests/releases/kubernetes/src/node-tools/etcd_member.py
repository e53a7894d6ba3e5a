"""Keeps etcd's members the same as the job's instances: `etcd_member.py CONFIG.json STEP`.

pre-start   an instance without data begins the cluster when it is the first, else joins as a learner, which counts
            for no quorum; the answer to "who is in it" is left for the start of etcd
post-start  waits until this member is healthy, and promotes it once it has caught up
pre-stop    takes this member out of the cluster, when its instance goes for good
post-deploy ends a change of the CA, once all members have the new one (etcd_tls.py)

Data of a member that others have taken out meanwhile is of no use any more, and is put aside.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import etcd_tls
from patience import NotYet, say, until

ETCDCTL = "/var/vcap/packages/hyperkube/bin/etcdctl"
ANSWER_S = 4
JOIN_S = 120
HEALTHY_S = 120
LEAVE_S = 60
SETTINGS_MODE = 0o644


class Etcd:
    def __init__(self, config: dict) -> None:
        self.config = config
        self.name, self.url = config["name"], f"https://{config['address']}:2380"
        self.others = [peer for peer in config["peers"] if peer != config["address"]]
        self.data = Path(config["data"])

    def ctl(self, addresses: list[str], *words: str, limit_s: float = ANSWER_S) -> dict:
        """Raises NotYet with etcd's own words."""
        program = self.config.get("etcdctl", ETCDCTL)
        endpoints = ",".join(f"https://{address}:2379" for address in addresses)
        tls = [f"--cacert={self.config['ca']}", f"--cert={self.config['certificate']}", f"--key={self.config['key']}"]
        argv = [program, f"--endpoints={endpoints}", *tls, f"--command-timeout={limit_s}s", "--write-out=json", *words]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=limit_s + ANSWER_S, check=False)
        except subprocess.TimeoutExpired:
            raise NotYet(f"etcdctl {' '.join(words)} does not end") from None
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("{")]
            raise NotYet(lines[-1] if lines else f"etcdctl ended with {done.returncode}")
        return json.loads(done.stdout)

    def members(self, addresses: list[str]) -> list[dict]:
        return self.ctl(addresses, "member", "list").get("members", [])

    def mine(self, members: list[dict]) -> dict | None:
        found = [m for m in members if m.get("name") == self.name or self.url in m.get("peerURLs", [])]
        return found[0] if found else None

    def others_members(self) -> list[dict] | None:
        """None when nobody else answers."""
        if not self.others:
            return None
        try:
            return self.members(self.others)
        except NotYet as error:
            say(f"the other instances ({', '.join(self.others)}) say nothing of a cluster: {error}")
            return None


def is_listening(address: str) -> bool:
    try:
        socket.create_connection((address, 2379), timeout=1).close()
    except OSError:
        return False
    return True


def pre_start(etcd: Etcd) -> None:
    etcd_tls.prepare(etcd.config)
    has_data = (etcd.data / "member").is_dir()
    if has_data and not was_taken_out(etcd):
        write_settings(etcd, {etcd.name: etcd.url}, "existing")
        return
    members = until("a cluster to join", JOIN_S, lambda: found_cluster(etcd))
    if members is None:
        say(f"{etcd.name} begins a new cluster")
        write_settings(etcd, {etcd.name: etcd.url}, "new")
    else:
        until(f"{etcd.name} to be taken in", JOIN_S, lambda: join(etcd), pause_s=1)


def was_taken_out(etcd: Etcd) -> bool:
    members = etcd.others_members()
    if members is None or etcd.mine(members) is not None:
        return False
    aside = etcd.data.with_name(f"{etcd.data.name}-of-a-former-member")
    say(f"{etcd.name} is no member any more: its data is put aside in {aside}")
    shutil.rmtree(aside, ignore_errors=True)
    etcd.data.rename(aside)
    return True


def found_cluster(etcd: Etcd) -> list[dict] | None:
    """Members; None when there is no cluster and this instance is the one to begin it."""
    members = etcd.others_members()
    if members is not None:
        return members
    up = [address for address in etcd.others if is_listening(address)]
    if etcd.config["is_first"] and not up:
        return None
    if up:
        # Beginning a second cluster beside one that has only lost its quorum would lose all keys.
        raise NotYet(f"etcd runs on {', '.join(up)}, but its members do not agree")
    raise NotYet(f"none of {', '.join(etcd.others) or 'no others'} answers")


def join(etcd: Etcd) -> None:
    members = etcd.members(etcd.others)
    mine = etcd.mine(members)
    if mine is not None:
        say(f"{etcd.name} was a member whose data is gone: it leaves before it joins anew")
        etcd.ctl(etcd.others, "member", "remove", f"{mine['ID']:x}")
    added = etcd.ctl(etcd.others, "member", "add", etcd.name, "--learner", f"--peer-urls={etcd.url}")
    known = {m["name"]: m["peerURLs"][0] for m in added["members"] if m.get("name")}
    say(f"{etcd.name} joins {', '.join(sorted(known))}")
    write_settings(etcd, {**known, etcd.name: etcd.url}, "existing")


def write_settings(etcd: Etcd, members: dict[str, str], state: str) -> None:
    cluster = ",".join(f"{name}={url}" for name, url in sorted(members.items()))
    path = Path(etcd.config["settings"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"ETCD_INITIAL_CLUSTER={cluster}\nETCD_INITIAL_CLUSTER_STATE={state}\n")
    path.chmod(SETTINGS_MODE)


def post_start(etcd: Etcd) -> None:
    until(f"{etcd.name} to be a healthy member", HEALTHY_S, lambda: healthy(etcd))
    mine = etcd.mine(etcd.members(["127.0.0.1"]))
    if mine is not None and mine["peerURLs"] != [etcd.url]:
        etcd.ctl(["127.0.0.1"], "member", "update", f"{mine['ID']:x}", f"--peer-urls={etcd.url}")
        say(f"{etcd.name} is now reached by {etcd.url}")


def healthy(etcd: Etcd) -> None:
    status = etcd.ctl(["127.0.0.1"], "endpoint", "status")[0]["Status"]
    if status.get("isLearner"):
        me = status["header"]["member_id"]
        etcd.ctl([*etcd.others, "127.0.0.1"], "member", "promote", f"{me:x}")
        say(f"{etcd.name} has caught up, and votes from now on")
    etcd.ctl(["127.0.0.1"], "endpoint", "health")


def pre_stop(etcd: Etcd) -> None:
    if os.environ.get("BOSH_INSTANCE_NEXT_STATE") != "delete":
        return
    if os.environ.get("BOSH_DEPLOYMENT_NEXT_STATE") == "delete":
        return
    until(f"the other members to let {etcd.name} go", LEAVE_S, lambda: leave(etcd), pause_s=1)


def leave(etcd: Etcd) -> None:
    members = etcd.members([*etcd.others, "127.0.0.1"])
    mine = etcd.mine(members)
    if mine is None or len(members) == 1:
        return
    etcd.ctl([*etcd.others, "127.0.0.1"], "member", "remove", f"{mine['ID']:x}")
    say(f"{etcd.name} has left; {len(members) - 1} stay")


def post_deploy(etcd: Etcd) -> None:
    etcd_tls.renew(etcd.config)


STEPS = {"pre-start": pre_start, "post-start": post_start, "pre-stop": pre_stop, "post-deploy": post_deploy}

if __name__ == "__main__":
    STEPS[sys.argv[2]](Etcd(json.loads(Path(sys.argv[1]).read_text())))
