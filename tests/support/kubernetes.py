"""The release and manifest of Kubernetes without its programs: made, read, resolved and rendered in a test."""

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from director.adapters.archives import ArchiveReader
from director.adapters.secrets.decide import decide
from director.adapters.secrets.generate import generate
from director.adapters.secrets.options import ca_of
from director.adapters.templates import TemplateRenderer
from director.cli.commands.edit import edit
from director.cli.create_release import create_release
from director.manifest.load import load_deployment
from director.model.names import Digest, StemcellCid
from director.model.release import Catalog, Stemcell
from director.model.tree import Node
from director.planning.resolve import resolve
from director.planning.spec import spec_tree
from director.ports.blobs import Blob
from director.ports.renderer import RenderRequest
from director.reconcile.choose import choose

ROOT = Path(__file__).parents[2]
RELEASE = ROOT / "manifests" / "releases" / "kubernetes"
MANIFEST = ROOT / "manifests" / "kubernetes.yml"
CLOUD = ROOT / "manifests" / "cloud-config-kubernetes.yml"
VSPHERE = ROOT / "manifests" / "cloud-config-kubernetes-vsphere.yml"
OPS = ROOT / "manifests" / "ops" / "kubernetes"
STEMCELL = Stemcell(
    name="director-local-debian-bookworm",
    os="debian-bookworm",
    version="1",
    cid=StemcellCid("root-1"),
    digest=Digest("sha256:0"),
)
BLOBS = ("go", "hyperkube", "cni-plugins", "coredns", "pause")


class Blobs:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)

    async def put_file(self, path: Path) -> Blob:
        blob = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, self.directory / blob)
        return Blob(id=blob, digest=f"sha256:{blob}", size=path.stat().st_size)

    async def path_of(self, blob: str) -> Path:
        return self.directory / blob


def release_directory(directory: Path, version: str) -> Path:
    """The release's jobs and packages, with a small file in place of each blob. Versions differ by Kubernetes alone."""
    directory.mkdir(parents=True)
    for name in ("config", "jobs", "packages", "src"):
        (directory / name).symlink_to(RELEASE / name)
    for name in BLOBS:
        place = directory / "blobs" / name
        place.mkdir(parents=True)
        (place / "blob").write_text(f"{name} {version if name == 'hyperkube' else ''}")
    return directory


def manifest(ops: Sequence[str] = (), variables: Sequence[str] = ()) -> str:
    """The text that a deploy with these ops files would send."""
    edits = dict.fromkeys(("vars_envs", "vars_files", "var_files"), ())
    edits |= {"ops_files": tuple(str(OPS / f"{name}.yml") for name in ops), "variables": tuple(variables)}
    tree = edit(MANIFEST.read_text(), "kubernetes.yml", edits)
    return yaml.safe_dump(tree, sort_keys=False)


class Ground:
    """Renders a manifest for all its instances, as a deploy does."""

    def __init__(self, directory: Path, cloud: Path = CLOUD) -> None:
        self.cloud = cloud
        self.blobs = Blobs(directory / "stored")
        self.directory = directory
        self.renderer = TemplateRenderer(self.blobs, directory / "cache", None)
        self.catalog = Catalog()
        self.made: dict[str, Node] = {}

    async def read(self, version: str = "1.36.3") -> None:
        source = release_directory(self.directory / version, version)
        created = create_release(source, self.directory / "out", version=version)
        read = await ArchiveReader(self.blobs, self.directory / "scratch").read_release(created.path)
        self.catalog = Catalog(releases=(*self.catalog.releases, read.release), stemcells=(STEMCELL,))

    def wanted(self, text: str, record=None, **more):
        loaded = load_deployment(
            text,
            "kubernetes.yml",
            cloud=[("cloud", self.cloud.read_text())],
            runtime=[],
            catalog=self.catalog,
            strict=True,
        )
        chosen = choose(loaded.deployment, self.catalog)
        wanted = resolve(
            loaded.deployment,
            loaded.clouds,
            record,
            self.catalog,
            taken={},
            seed="seed",
            versions=chosen.versions,
            stemcells=chosen.stemcells,
            **more,
        )
        return wanted, loaded

    def values(self, variables) -> Mapping[str, Node]:
        """Of every variable, made as the director makes them; once, for keys take their time."""
        for each in decide(variables, {}, lambda _: None):
            if each.variable.name not in self.made:
                ca = ca_of(each.wish)
                self.made[each.variable.name] = generate(each.wish, None if ca is None else self.made[ca], time.time())
        return self.made

    async def render(self, text: str) -> dict[str, dict[str, str]]:
        """Files by instance and path, as master-0, etcd/bin/etcd."""
        wanted, loaded = self.wanted(text)
        values = self.values(loaded.deployment.variables)
        instances = [instance for group in wanted.groups for instance in group.instances]
        requests = [RenderRequest(label=i.label, spec=spec_tree(i), jobs=i.jobs, values=values) for i in instances]
        contents = await self.renderer.render(requests)
        return {
            f"{i.group}-{i.index}": {
                f"{job.name}/{file.path}": file.content.decode() for job in content.jobs for file in job.files
            }
            for i, content in zip(instances, contents, strict=True)
        }
