"""BOSH's own client and the sample's release, for modules that drive a director as ``bosh`` does."""

import hashlib
import io
import tarfile

import pytest
import yaml

from director.cli.create_release import create_release
from tests.e2e.boshclient import BoshClient, build
from tests.e2e.conftest import ROOT

NAME = "guestbook"


@pytest.fixture(scope="module")
def program():
    return build()


@pytest.fixture(scope="module")
def bosh(director, program):
    return BoshClient(program=program, environment=director.environment())


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return create_release(ROOT / "manifests/releases/guestbook", tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def manifest(release):
    text = (ROOT / "manifests/guestbook.yml").read_text()
    return text.replace("version: create", f"version: {release.version}")


def stemcell(folder, version, form):
    """An archive as small as one can be."""
    image = b"nothing to boot from\n"
    about = {
        "name": "tiny",
        "version": version,
        "operating_system": "local",
        "api_version": 3,
        "sha1": hashlib.sha1(image).hexdigest(),
        "bosh_protocol": "1",
        "stemcell_formats": [form],
        "cloud_properties": {"name": "tiny", "version": version},
    }
    path = folder / f"tiny-{version}.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("stemcell.MF", yaml.safe_dump(about).encode()), ("image", image)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def rows(bosh, op="instances"):
    """Full rows by group/index."""
    return {f"{row['job_name']}/{row['index']}": row for row in bosh.value(op, deployment=NAME)}


def failure(answer):
    """What the event log of a failed task says at its end."""
    assert not answer.ok
    return answer.events[-1]["error"]
