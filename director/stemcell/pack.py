"""The stemcell archive: stemcell.MF and the image (bosh-director.md section 8.3)."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from director.stemcell.ovf import member
from director.stemcell.recipe import OPERATING_SYSTEM, Recipe

API_VERSION: Final = 3
"""The agent understands disk hints and signed blob addresses (agent-cpi-vsphere.md 2.3)."""


def manifest(recipe: Recipe, image_digest: str, disk_mb: int) -> Mapping[str, Any]:
    """``image_digest`` as BOSH writes it: ``sha256:…``. ``disk_mb`` is what a root of it takes."""
    kind = recipe.kind
    return {
        "name": kind.name,
        "version": recipe.version,
        "api_version": API_VERSION,
        "bosh_protocol": "1",
        "sha1": image_digest,
        "operating_system": OPERATING_SYSTEM,
        "stemcell_formats": list(kind.formats),
        "cloud_properties": {
            "name": kind.name,
            "version": recipe.version,
            "disk": disk_mb,
            "container_format": "bare",
            "os_type": "linux",
            "os_distro": "debian",
            "architecture": "x86_64",
            **kind.properties,
        },
    }


def write_stemcell(recipe: Recipe, image: Path, packages: str, disk_mb: int) -> Path:
    """``<out>/<name>-<version>.tgz``, whole or not at all. ``packages`` lists what is installed, for people. Blocks."""
    with image.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    text = yaml.safe_dump(dict(manifest(recipe, digest, disk_mb)), sort_keys=False)
    recipe.out.mkdir(parents=True, exist_ok=True)
    half = recipe.archive.with_suffix(".half")
    try:
        _write(half, {"stemcell.MF": text.encode(), "packages.txt": packages.encode()}, image)
        half.replace(recipe.archive)
    finally:
        half.unlink(missing_ok=True)
    return recipe.archive


def _write(path: Path, texts: Mapping[str, bytes], image: Path) -> None:
    with (
        path.open("wb") as out,
        # Stored, not compressed: the image in it is already.
        gzip.GzipFile("", "wb", compresslevel=0, fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, data in texts.items():
            tar.addfile(member(name, len(data)), io.BytesIO(data))
        with image.open("rb") as file:
            tar.addfile(member("image", image.stat().st_size), file)
