"""Makes an image of files: `oci_image.py REFERENCE OUT.tar ENTRYPOINT FILE=PATH_IN_THE_IMAGE...`

One layer, nothing but these files, in the layout of OCI, which `ctr images import` reads. The same files give the same
bytes: no time, owner or place of the machine is in it.
"""

import hashlib
import io
import json
import platform
import sys
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def member(name: str, data: bytes, mode: int = 0o644) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    return info, io.BytesIO(data)


def layer_of(files: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, path in sorted(files.items()):
            tar.addfile(*member(name.lstrip("/"), path.read_bytes(), 0o755))
    return buffer.getvalue()


def described(media_type: str, data: bytes) -> dict:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}


def build(reference: str, entrypoint: str, files: dict[str, Path]) -> dict[str, bytes]:
    """The files of the archive by name."""
    layer = layer_of(files)
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": [entrypoint], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described("application/vnd.oci.image.config.v1+json", config),
            "layers": [described("application/vnd.oci.image.layer.v1.tar", layer)],
        }
    ).encode()
    entry = described("application/vnd.oci.image.manifest.v1+json", manifest)
    entry |= {
        "annotations": {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference},
        "platform": {"architecture": architecture, "os": "linux"},
    }
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
    blobs = {f"blobs/sha256/{hashlib.sha256(data).hexdigest()}": data for data in (layer, config, manifest)}
    return {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(), **blobs}


def main(reference: str, out: str, entrypoint: str, *files: str) -> None:
    pairs = (word.partition("=") for word in files)
    content = build(reference, entrypoint, {inside: Path(path) for path, _, inside in pairs})
    with tarfile.open(out, "w") as tar:
        for name, data in sorted(content.items()):
            tar.addfile(*member(name, data))


if __name__ == "__main__":
    main(*sys.argv[1:])
