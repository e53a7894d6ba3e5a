"""Does in a machine what cloud-init does with guestinfo: ``python cloudinit_guest.py METADATA USERDATA``.

Of network configuration version 2 and of cloud-config only what a VM of ours is told: an unknown key ends it.
"""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

metadata = json.loads(Path(sys.argv[1]).read_text())
assert metadata.keys() == {"instance-id", "local-hostname", "network", "redact", "cleanup-guestinfo"}, metadata
subprocess.run(["hostname", metadata["local-hostname"]], check=True)
assert metadata["network"]["version"] == 2
for ethernet in metadata["network"]["ethernets"].values():
    assert ethernet.keys() <= {"match", "set-name", "dhcp4", "addresses", "routes", "nameservers"}, ethernet
    nics = {(nic / "address").read_text().strip(): nic.name for nic in Path("/sys/class/net").iterdir()}
    nic, name = nics[ethernet["match"]["macaddress"]], ethernet["set-name"]
    subprocess.run(["ip", "link", "set", nic, "name", name], check=True)
    for address in ethernet["addresses"]:
        subprocess.run(["ip", "address", "add", address, "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    for route in ethernet.get("routes", ()):
        subprocess.run(["ip", "route", "add", route["to"], "via", route["via"]], check=True)

head, _, text = Path(sys.argv[2]).read_text().partition("\n")
assert head == "#cloud-config"
userdata = json.loads(text)
assert userdata.keys() == {"write_files", "runcmd"}, userdata.keys()
for file in userdata["write_files"]:
    assert (file["owner"], file["encoding"]) == ("root:root", "b64")
    path = Path(file["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(base64.b64decode(file["content"]))
    path.chmod(int(file["permissions"], 8))
for command in userdata["runcmd"]:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=dict(os.environ))
signal.pause()
