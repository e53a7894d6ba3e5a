"""Certificates of an etcd member, made on its VM for its address, and whom it takes for a member.

Clients meet `member.crt`, other members `peer.crt`; one CA signs both. It may become another one while members must go
on together that have it and members that do not yet. So a member that gets it keeps its certificate for the others while
one of them may know the former CA alone, and takes for members whom either CA has signed. Once all have the new one,
post-deploy makes that certificate anew; etcd reads it at each connection. The former CA counts until a start at which
nobody shows a certificate of it.

What of this must outlive the VM lies on the persistent disk, beside the data that it protects.
"""

import os
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

from patience import GaveUp, say

CLIENTS, MEMBERS = 2379, 2380
ASK_S = 2
BEGIN = "-----BEGIN CERTIFICATE-----"


def prepare(config: dict) -> None:
    """Before a start: both certificates, and the CAs by which others are taken for members."""
    make(config, Path(config["tls"]), "member")
    place, current = Path(config["peer"]), Path(config["ca"]).read_text().strip()
    former = [ca for ca in known(place) if ca != current]
    if former and not strangers(config, MEMBERS):
        former = []
    if not former or is_signed(place / "peer.crt", config["ca"]):
        make(config, place, "peer")
    else:
        renew(config)
    (place / "authorities.crt").write_text("\n".join([current, *former, ""]))


def known(place: Path) -> list[str]:
    """The CAs of the last start; none when there was none."""
    try:
        found = (place / "authorities.crt").read_text().split(BEGIN)[1:]
    except FileNotFoundError:
        return []
    return [f"{BEGIN}{rest}".strip() for rest in found]


def renew(config: dict) -> None:
    """A certificate for the other members of the CA there is now, unless one of them may not know that CA yet."""
    place = Path(config["peer"])
    if is_signed(place / "peer.crt", config["ca"]):
        return
    waiting = strangers(config, CLIENTS)
    if waiting:
        say(f"the former certificate for members stays: {', '.join(waiting)} may not know the new CA yet")
        return
    make(config, place, "peer")
    say("all members know the new CA: the certificate for them is made anew")


def is_signed(certificate: Path, ca: str) -> bool:
    words = ["openssl", "verify", "-CAfile", ca, str(certificate)]
    return subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0


def strangers(config: dict, port: int) -> list[str]:
    """Other members that show there no certificate of the CA there is now, or do not answer."""
    others = [peer for peer in config["peers"] if peer != config["address"]]
    return [other for other in others if not shows(other, port, config["ca"])]


def shows(address: str, port: int, ca: str) -> bool:
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    try:
        with socket.create_connection((address, port), timeout=ASK_S) as plain, context.wrap_socket(plain):
            return True
    except OSError:  # ssl's own are, too
        return False


def make(config: dict, directory: Path, name: str) -> None:
    """NAME.crt and NAME.key, for this member's address."""
    directory.mkdir(parents=True, exist_ok=True)
    key, request, certificate, extensions = (directory / n for n in ("key.new", "request", "crt.new", "extensions"))
    extensions.write_text(
        f"subjectAltName=IP:{config['address']},IP:127.0.0.1,DNS:localhost\n"
        "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
    )
    mask = os.umask(0o077)
    try:
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        openssl("req", "-new", "-key", key, "-subj", f"/CN={config['name']}", "-out", request)
        signer = ["-CA", config["ca"], "-CAkey", config["ca_key"], "-set_serial", str(time.time_ns())]
        openssl("x509", "-req", "-in", request, *signer, "-days", "3650", "-extfile", extensions, "-out", certificate)
    finally:
        os.umask(mask)
    for path, suffix in ((key, "key"), (certificate, "crt")):
        give_to(path, config["user"])
        path.rename(directory / f"{name}.{suffix}")
    directory.chmod(0o755)


def openssl(*words: object) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise GaveUp(f"openssl {words[0]}: {done.stderr.strip()}")


def give_to(path: Path, user: str) -> None:
    try:
        shutil.chown(path, user, user)
    except LookupError:
        say(f"there is no user {user}: {path.name} stays root's")
