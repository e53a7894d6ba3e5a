"""Instance groups: names, zones, jobs, VM size, disks, networks, migration (bosh-director.md 1.6 to 1.9, D.4)."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from director.manifest import faults
from director.manifest.addresses import EXPANDED_MAX, read_span, size_of, span_text
from director.manifest.check_update import check_update_tree
from director.manifest.document import Path
from director.manifest.near import instead_of
from director.manifest.pick import number, text, texts, texts_or_one, tree_at, trees
from director.manifest.report import Report
from director.manifest.values import canonical, is_dns_name, is_name
from director.model.cloud import Span
from director.model.tree import Tree

_DISKS = ("persistent_disk", "persistent_disk_type", "persistent_disks")


def check_groups(report: Report) -> None:
    """What concerns several groups: names that collide in DNS, groups claimed twice by ``migrated_from``."""
    groups = list(trees(report.document.root, "instance_groups"))
    declared = {text(group, "name") for _, group in groups}
    first: dict[str, str] = {}
    claimed: dict[str, str] = {}
    for index, group in groups:
        name = text(group, "name")
        path: Path = ("instance_groups", index)
        form = canonical(name)
        if name and form in first:
            detail = f'The instance group "{name}" has the same DNS name as "{first[form]}" above it.'
            report.error((*path, "name"), faults.DUPLICATE_GROUP, detail, "rename one of the two.")
        first.setdefault(form, name)
        for below, old in trees(group, "migrated_from"):
            where: Path = (*path, "migrated_from", below)
            _check_old_group(report, where, text(old, "name"), declared=declared, claimed=claimed, name=name)


def _check_old_group(
    report: Report, path: Path, old: str, *, declared: set[str], claimed: dict[str, str], name: str
) -> None:
    if old in declared:
        detail = f'The instance group "{name}" migrates from "{old}", which the manifest still declares.'
        report.error(path, faults.MIGRATED_FROM, detail, f'remove the group "{old}", or this entry.')
    elif claimed.setdefault(old, name) != name:
        detail = f'The old group "{old}" is claimed by "{claimed[old]}" and by "{name}".'
        report.error(path, faults.MIGRATED_FROM, detail, "let only one group migrate from it.")


def check_group(report: Report, path: Path, group: Tree, listed: frozenset[str]) -> None:
    """What one group says about itself; ``listed`` are the releases of its document."""
    check_group_name(report, path, text(group, "name"))
    _check_jobs(report, path, group, listed)
    _check_stemcell(report, path, text(group, "stemcell"))
    _check_vm(report, path, group)
    _check_disks(report, path, group)
    _check_networks(report, path, group)
    _check_migration(report, path, group)
    check_update_tree(report, (*path, "update"), tree_at(group, "update"))
    for key in ("state", "instance_states"):
        if key in group:
            detail = f"{report.words((*path, key))} is ignored: the state of instances is not part of a manifest."
            fix = "remove it; use director start, stop, restart or recreate."
            report.warn((*path, key), faults.DEPRECATED, detail, fix)


def check_group_name(report: Report, path: Path, name: str) -> None:
    if name and not is_name(name):
        detail = f'The instance group\'s name "{name}" has characters other than letters, digits, "-", "_", "+", ".".'
        report.error((*path, "name"), faults.BAD_NAME, detail, "rename it, for example to web.")
    elif name and not is_dns_name(name):
        detail = f'The instance group\'s name "{name}" cannot be part of a DNS name.'
        report.error((*path, "name"), faults.BAD_DNS_NAME, detail, "begin and end it with a letter or digit.")


def _check_jobs(report: Report, path: Path, group: Tree, listed: frozenset[str]) -> None:
    name = text(group, "name")
    if group.get("jobs") == []:
        detail = f'The instance group "{name}" has no jobs: its VMs will run nothing.'
        report.warn((*path, "jobs"), faults.NO_JOBS, detail, "add the jobs it shall run, unless empty VMs are wanted.")
    seen: set[str] = set()
    for index, job in trees(group, "jobs"):
        here: Path = (*path, "jobs", index)
        job_name = text(job, "name")
        if job_name and job_name in seen:
            detail = f'The instance group "{name}" has the job "{job_name}" twice.'
            report.error((*here, "name"), faults.DUPLICATE_JOB, detail, "remove one of the two.")
        seen.add(job_name)
        check_release_of(report, here, job, listed, faults.UNKNOWN_RELEASE)
        check_links_of(report, here, job)


def check_release_of(report: Report, path: Path, job: Tree, listed: frozenset[str], fault: faults.Fault) -> None:
    """That the release of a job is ``listed`` in the same document."""
    release = text(job, "release")
    if release and release not in listed and not report.is_broken(("releases",)):
        detail = f'The job "{text(job, "name")}" is from the release "{release}", which is not listed under releases.'
        fix = instead_of(release, listed, f'list "{release}" under releases')
        report.error((*path, "release"), fault, detail, fix)


def check_links_of(report: Report, path: Path, job: Tree) -> None:
    """Ways to describe a link that exclude each other (section 3.7), and keys that are only kept."""
    for link, wish in sorted(tree_at(job, "consumes").items()):
        here: Path = (*path, "consumes", link)
        if not isinstance(wish, dict):
            continue
        if "from" in wish and ("instances" in wish or "properties" in wish):
            detail = f'The link "{link}" is taken from "{text(wish, "from")}" and also written out by hand.'
            report.error(here, faults.BAD_LINK, detail, "keep from, or keep instances and properties.")
        elif "properties" in wish and "instances" not in wish:
            detail = f'The link "{link}" has properties but no instances.'
            report.error(here, faults.BAD_LINK, detail, "add instances: with the address of each.")
        elif "deployment" in wish and "from" not in wish:
            detail = f'The link "{link}" names another deployment but not the link there.'
            report.error(here, faults.BAD_LINK, detail, "add from: with the name of the provider's link.")
    if "custom_provider_definitions" in job:
        detail = f"{report.words((*path, 'custom_provider_definitions'))} is not acted on."
        fix = "let a job of a release provide the link."
        report.warn((*path, "custom_provider_definitions"), faults.NOT_HONOURED, detail, fix)


def _check_stemcell(report: Report, path: Path, alias: str) -> None:
    known = [text(stemcell, "alias") for _, stemcell in trees(report.document.root, "stemcells")]
    if alias and alias not in known and not report.is_broken(("stemcells",)):
        detail = f'{report.words(path)} uses the stemcell "{alias}", which is not an alias under stemcells.'
        fix = instead_of(alias, known, f'add a stemcell with the alias "{alias}"')
        report.error((*path, "stemcell"), faults.UNKNOWN_STEMCELL, detail, fix)


def _check_vm(report: Report, path: Path, group: Tree) -> None:
    if ("vm_type" in group) == ("vm_resources" in group) and not _has_near(report, path):
        have = "both vm_type and vm_resources" if "vm_type" in group else "neither vm_type nor vm_resources"
        detail = f'The instance group "{text(group, "name")}" has {have}.'
        report.error(
            path, faults.VM_SIZE, detail, "write exactly one of the two; vm_type names one of the cloud config."
        )


def _has_near(report: Report, path: Path) -> bool:
    """Whether an unknown or removed key was told that may be the one missing here."""
    codes = (faults.UNKNOWN_KEY.code, faults.REMOVED_KEY.code)
    return any(
        problem.code in codes and other[: len(path)] == path and len(other) == len(path) + 1 and "vm" in problem.fix
        for other, problem in report.found
    )


def _check_disks(report: Report, path: Path, group: Tree) -> None:
    have = [key for key in _DISKS if key in group]
    if len(have) > 1:
        detail = f'The instance group "{text(group, "name")}" has {" and ".join(have)}.'
        report.error((*path, have[1]), faults.DISKS, detail, "keep one of them.")
    if "persistent_disks" in group:
        detail = f'The instance group "{text(group, "name")}" asks for several disks, which this director cannot give.'
        report.error((*path, "persistent_disks"), faults.NOT_HONOURED, detail, "use persistent_disk_type for one disk.")


def _check_networks(report: Report, path: Path, group: Tree) -> None:
    networks = list(trees(group, "networks"))
    names = Counter(text(network, "name") for _, network in networks)
    owners: dict[str, str] = {}
    for index, network in networks:
        here: Path = (*path, "networks", index)
        name = text(network, "name")
        if names[name] > 1 and name:
            names[name] = 0
            detail = f'{report.words(path)} joins the network "{name}" more than once.'
            report.error((*here, "name"), faults.DUPLICATE_NETWORK_JOINED, detail, "join each network once.")
        for position, default in enumerate(texts(network, "default")):
            if owners.setdefault(default, name) != name:
                detail = f'{report.words(path)} gives the default {default} to "{owners[default]}" and to "{name}".'
                where: Path = (*here, "default", position)
                report.error(where, faults.DEFAULT_TWICE, detail, "give it to one network only.")
        is_counted = not report.is_broken((*path, "instances"))
        check_static_ips(report, here, network, number(group, "instances") if is_counted else None)
        if "nic_group" in network:
            detail = f"{report.words((*here, 'nic_group'))} is not acted on: every network gets its own interface."
            report.warn((*here, "nic_group"), faults.NOT_HONOURED, detail, "remove it, if that is what you want.")
    missing = [default for default in ("dns", "gateway") if default not in owners]
    if len(networks) > 1 and missing and not report.is_broken((*path, "networks")):
        _report_missing_defaults(report, path, missing)


def _report_missing_defaults(report: Report, path: Path, missing: Sequence[str]) -> None:
    detail = f"{report.words(path)} joins several networks, but none is the default for {' and '.join(missing)}."
    fix = f"add default: [{', '.join(missing)}] to one of them."
    report.error((*path, "networks"), faults.DEFAULT_MISSING, detail, fix)


def check_static_ips(report: Report, path: Path, network: Tree, instances: int | None) -> None:
    """Syntax, duplicates and number of one network's static addresses (section 1.8); None: not known how many."""
    where: Path = (*path, "static_ips")
    written = texts_or_one(network, "static_ips")
    spans = [read_span(entry) for entry in written]
    for index, (entry, span) in enumerate(zip(written, spans, strict=True)):
        if span is None:
            detail = f'{report.words(where)} has "{entry[:60]}", which is no address, range or CIDR block.'
            here: Path = (*where, index)
            report.error(here, faults.BAD_STATIC_IP, detail, "write it as 10.0.0.5, 10.0.0.5-10.0.0.9 or 10.0.0.8/29.")
    if not written or report.is_broken(where):
        return
    known = sorted(((span, ":" in entry) for span, entry in zip(spans, written, strict=True) if span), key=_first)
    for (one, _), (other, is_v6) in pairwise(known):
        if other.first <= one.last:
            detail = f"{report.words(where)} has {span_text(other, is_v6=is_v6)} more than once."
            report.error(where, faults.BAD_STATIC_IP, detail, "write each address once.")
    size = size_of(span for span, _ in known)
    if instances is not None and (size != instances or size > EXPANDED_MAX):
        detail = f"{report.words(where)} has {size} addresses for {instances} instances."
        report.error(where, faults.STATIC_IP_COUNT, detail, "give exactly one address per instance.")


def _first(entry: tuple[Span, bool]) -> tuple[int, int]:
    return entry[0].first, entry[0].last


def _check_migration(report: Report, path: Path, group: Tree) -> None:
    azs = texts(group, "azs")
    for index, old in trees(group, "migrated_from"):
        az = text(old, "az")
        if az and az not in azs:
            here: Path = (*path, "migrated_from", index, "az")
            detail = f'{report.words(path)} migrates from zone "{az}", which is not among its azs.'
            report.error(here, faults.MIGRATED_FROM, detail, instead_of(az, azs, f'add "{az}" to azs'))
