"""From checked cloud configs to one CloudConfig (bosh-director.md 2.1). Decides defaults only; never fails."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from director.manifest.addresses import read_span
from director.manifest.build import build_vm_resources
from director.manifest.build_fabric import managed_of, rest_of
from director.manifest.document import Document, Path
from director.manifest.pick import flag, number, text, text_or_none, texts, texts_or_one, tree_at, trees
from director.model.cloud import (
    Az,
    CloudConfig,
    Compilation,
    DiskType,
    Network,
    NetworkType,
    Span,
    Subnet,
    VmExtension,
    VmType,
)
from director.model.names import AzName, NetworkName
from director.model.problem import Mark
from director.model.tree import Tree

_Made = TypeVar("_Made")


def build_cloud(docs: Sequence[Document]) -> CloudConfig:
    """All configs as one: lists one after the other, the one ``compilation`` there is."""
    return CloudConfig(
        networks=tuple(_network(doc, path, tree) for doc, path, tree in _all(docs, "networks")),
        compilation=_compilation(docs),
        azs=tuple(_az(tree) for _, _, tree in _all(docs, "azs")),
        vm_types=_made(docs, "vm_types", lambda tree: VmType(name=text(tree, "name"), cloud_properties=_own(tree))),
        vm_extensions=_made(
            docs, "vm_extensions", lambda tree: VmExtension(name=text(tree, "name"), cloud_properties=_own(tree))
        ),
        disk_types=_made(docs, "disk_types", _disk_type),
    )


def _all(docs: Sequence[Document], section: str) -> Iterator[tuple[Document, Path, Tree]]:
    for doc in docs:
        for index, tree in trees(doc.root, section):
            yield doc, (section, index), tree


def _made(docs: Sequence[Document], section: str, make: Callable[[Tree], _Made]) -> tuple[_Made, ...]:
    return tuple(make(tree) for _, _, tree in _all(docs, section))


def _own(tree: Tree) -> Tree:
    return tree_at(tree, "cloud_properties")


def _az(tree: Tree) -> Az:
    return Az(name=AzName(text(tree, "name")), cloud_properties=_own(tree), cpi=text_or_none(tree, "cpi"))


def _disk_type(tree: Tree) -> DiskType:
    return DiskType(name=text(tree, "name"), size_mb=number(tree, "disk_size"), cloud_properties=_own(tree))


def _network(doc: Document, path: Path, tree: Tree) -> Network:
    kind = _type(tree)
    subnets = [_subnet(doc, (*path, "subnets", i), subnet) for i, subnet in trees(tree, "subnets")]
    if flag(tree, "managed") and kind is NetworkType.MANUAL:
        written = [(doc.mark((*path, "subnets", i)), subnet) for i, subnet in trees(tree, "subnets")]
        subnets = [_managed(one, subnet, mark) for one, (mark, subnet) in zip(subnets, written, strict=True)]
    if not subnets and kind is not NetworkType.MANUAL:
        subnets = [_subnet(doc, path, tree)]
    return Network(
        name=NetworkName(text(tree, "name")), type=kind, subnets=tuple(subnets), mark=doc.mark((*path, "name"))
    )


def _type(tree: Tree) -> NetworkType:
    written = text(tree, "type", NetworkType.MANUAL.value)
    return next((kind for kind in NetworkType if kind.value == written), NetworkType.MANUAL)


def _subnet(doc: Document, path: Path, tree: Tree) -> Subnet:
    return Subnet(
        range=text_or_none(tree, "range"),
        gateway=text_or_none(tree, "gateway"),
        dns=texts(tree, "dns"),
        reserved=_spans(tree, "reserved"),
        static=_spans(tree, "static"),
        azs=tuple(AzName(az) for az in (*texts_or_one(tree, "az"), *texts(tree, "azs"))),
        cloud_properties=_own(tree),
        mark=doc.mark((*path, "range") if "range" in tree else path),
    )


def _managed(subnet: Subnet, tree: Tree, mark: Mark) -> Subnet:
    """What is for the fabric apart from what VMs on this subnet are given."""
    return replace(subnet, managed=managed_of(tree, mark), cloud_properties=rest_of(subnet.cloud_properties))


def _spans(tree: Tree, key: str) -> tuple[Span, ...]:
    return tuple(span for entry in texts_or_one(tree, key) if (span := read_span(entry)) is not None)


def _compilation(docs: Sequence[Document]) -> Compilation:
    tree = next((tree_at(doc.root, "compilation") for doc in docs if "compilation" in doc.root), {})
    az = text(tree, "az")
    return Compilation(
        workers=max(1, number(tree, "workers", 1)),
        network=NetworkName(text(tree, "network")),
        az=AzName(az) if az else None,
        vm_type=text_or_none(tree, "vm_type"),
        vm_resources=build_vm_resources(tree, "vm_resources"),
        cloud_properties=_own(tree),
        vm_extensions=texts(tree, "vm_extensions"),
        reuse_compilation_vms=flag(tree, "reuse_compilation_vms"),
        env=tree_at(tree, "env"),
    )
