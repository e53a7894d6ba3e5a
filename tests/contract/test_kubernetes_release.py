"""The release `kubernetes`, without machines: made from its directory, rendered for every ops file, read as is."""

import asyncio
import json
import subprocess

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent import bpmfile
from agent.layout import Layout
from director.model.problem import Refused
from tests.support.kubernetes import OPS, RELEASE, VSPHERE, Ground, manifest

VARIABLES = {
    "pod-range": ("pod_range=10.200.0.0/14",),
    "workers": ("workers=4",),
    "version": ("kubernetes_version=1.36.3", "kubernetes_release=/nowhere"),
}
JOBS = [
    "api-proxy", "api-server", "cni", "containerd", "controller-manager", "coredns",
    "etcd", "kube-proxy", "kubeconfig", "kubelet", "registry", "scheduler",
]  # fmt: skip


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    ground = Ground(tmp_path_factory.mktemp("kubernetes"))
    asyncio.run(ground.read())
    return ground


@pytest.fixture(scope="module")
def rendered(ground):
    """Files of all instances by ops file; "" is the manifest alone."""
    names = ["", *sorted(path.stem for path in OPS.glob("*.yml"))]
    return {n: asyncio.run(ground.render(manifest([n] if n else [], VARIABLES.get(n, ())))) for n in names}


def test_the_release_has_its_jobs_and_every_process_is_described_by_bpm(ground):
    release = ground.catalog.releases[0]
    assert sorted(job.name for job in release.jobs) == JOBS
    assert release.version == "1.36.3"
    names = ("pre-start", "post-start", "pre-stop", "drain", "post-stop", "post-deploy", "run")
    scripts = {job.name: [name for name in names if job.has_script(name)] for job in release.jobs}
    assert scripts["kubelet"] == ["pre-start", "post-start", "pre-stop", "drain"]
    assert scripts["api-server"] == ["post-start", "drain"]
    assert scripts["etcd"] == ["pre-start", "post-start", "pre-stop", "post-deploy"]
    assert scripts["coredns"] == ["post-deploy"]
    assert scripts["kubeconfig"] == ["run"]


def test_the_manifest_alone_is_a_master_and_two_workers(rendered):
    assert sorted(rendered[""]) == ["master-0", "worker-0", "worker-1"]
    assert sorted(rendered["three-masters"]) == ["master-0", "master-1", "master-2", "worker-0", "worker-1"]
    assert sorted(rendered["workers"]) == ["master-0", *(f"worker-{n}" for n in range(4))]
    assert sorted(rendered["node-pools"]) == ["large-0", "master-0", "worker-0", "worker-1"]
    assert sorted(rendered["private-registry"]) == ["master-0", "registry-0", "worker-0", "worker-1"]


def files(rendered):
    return [
        (f"{ops or 'none'} {instance} {path}", path, content)
        for ops, instances in rendered.items()
        for instance, found in instances.items()
        for path, content in found.items()
    ]


def test_every_script_can_be_read_by_its_interpreter(rendered):
    scripts = {content: where for where, path, content in files(rendered) if "/bin/" in path}
    assert len(scripts) > 20
    for content, where in scripts.items():
        assert content.startswith("#!/bin/sh\n"), where
        done = subprocess.run(["sh", "-n"], input=content, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{where}: {done.stderr}"
        # A comment or blank line in the middle of a command that goes on would end it unseen.
        assert "\\\n\n\n  -" not in content, where


@pytest.mark.parametrize("tool", sorted((RELEASE / "src" / "node-tools").iterdir()), ids=lambda path: path.name)
def test_every_tool_can_be_read_by_its_interpreter(tool):
    if tool.suffix == ".py":
        compile(tool.read_text(), tool.name, "exec")
    elif tool.is_file():
        subprocess.run(["sh", "-n", tool], check=True)


def test_every_yaml_and_json_file_can_be_read(rendered):
    read = 0
    for where, path, content in files(rendered):
        if path.endswith((".yml", "kubeconfig")) and "/config/" in path:
            assert list(yaml.safe_load_all(content)) or path == "coredns/config/objects.yml", where
            read += 1
        elif path.endswith(".json"):
            json.loads(content)
            read += 1
    assert read > 100


def test_every_key_fits_its_certificate(rendered):
    pairs = {}
    for instance, found in rendered["private-registry"].items():
        for path, content in found.items():
            if path.endswith(".key") and (certificate := found.get(path.removesuffix("key") + "crt")):
                pairs[f"{instance} {path}"] = certificate, content
    assert len(pairs) >= 12
    assert {where for where in pairs if where.startswith("worker-0")} == {
        f"worker-0 {job}/config/client.key" for job in ("cni", "kube-proxy", "kubelet")
    }
    for where, (certificate, key) in pairs.items():
        public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        assert load_pem_private_key(key.encode(), None).public_key() == public, where


def test_the_agent_understands_what_to_keep_running(rendered, tmp_path):
    layout = Layout(base=tmp_path)
    for where, path, content in files(rendered):
        if path.endswith("config/bpm.yml"):
            job = path.partition("/")[0]
            (program,) = bpmfile.programs(content, job, layout)
            assert program.name == job, where
            assert program.is_privileged == (job in {"cni", "containerd", "kubelet", "kube-proxy"}), where


def test_no_worker_holds_a_key_that_signs_or_has_all_rights(ground, rendered):
    secrets = [ground.made[name]["private_key"] for name in ("kubernetes_ca", "etcd_ca", "admin", "service_account")]
    for instance, found in rendered["three-masters"].items():
        holds = any(secret in content for content in found.values() for secret in secrets)
        assert holds == instance.startswith("master"), instance


def test_more_workers_change_nothing_on_others(rendered):
    for instance in ("master-0", "worker-0", "worker-1"):
        assert rendered["workers"][instance] == rendered[""][instance]


def test_nodes_are_labelled_with_zone_and_pool(rendered):
    kubelet = rendered["node-pools"]["large-0"]["kubelet/bin/kubelet"]
    assert "--node-labels=topology.kubernetes.io/zone=z1,pool=large,bosh.id=" in kubelet
    node = json.loads(rendered["node-pools"]["large-0"]["kubelet/config/node.json"])
    assert {key: node["labels"][key] for key in ("size", "pool", "topology.kubernetes.io/zone")} == {
        "size": "large",
        "pool": "large",
        "topology.kubernetes.io/zone": "z1",
    }
    settings = json.loads(rendered["node-pools"]["large-0"]["kubelet/config/kubelet.yml"])
    assert settings["registerWithTaints"] == [{"key": "size", "value": "large", "effect": "NoSchedule"}]


def test_what_this_kind_of_machine_needs_is_set(rendered):
    worker = rendered[""]["worker-0"]
    kubelet = json.loads(worker["kubelet/config/kubelet.yml"])
    assert {key: kubelet[key] for key in ("failCgroupV1", "oomScoreAdj", "maxOpenFiles", "cgroupDriver")} == {
        "failCgroupV1": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": 20000,
        "cgroupDriver": "cgroupfs",
    }
    proxy = yaml.safe_load(worker["kube-proxy/config/kube-proxy.yml"])
    assert proxy["conntrack"]["maxPerCore"] == 0
    assert proxy["oomScoreAdj"] == 0
    assert "restrict_oom_score_adj = true" in worker["containerd/config/config.toml"]


def test_three_masters_are_one_address_and_each_has_its_own_etcd(rendered):
    for found in rendered["three-masters"].values():
        proxy = json.loads(found["api-proxy/config/proxy.json"])
        assert [each["host"] for each in proxy["backends"]] == ["10.245.1.2", "10.245.2.2", "10.245.3.2"]
    firsts = [json.loads(rendered["three-masters"][f"master-{n}"]["etcd/config/member.json"]) for n in range(3)]
    assert [member["is_first"] for member in firsts] == [True, False, False]
    assert {tuple(member["peers"]) for member in firsts} == {("10.245.1.2", "10.245.2.2", "10.245.3.2")}


def test_nodes_know_the_registry_by_name_where_there_is_one(rendered):
    worker = rendered["private-registry"]["worker-0"]
    assert '[host."https://registry.internal:5000"]' in worker["containerd/config/hosts.toml"]
    assert "BEGIN CERTIFICATE" in worker["containerd/config/registry-ca.crt"]
    assert "/etc/hosts" in worker["containerd/bin/pre-start"]
    alone = rendered[""]["worker-0"]
    assert alone["containerd/config/hosts.toml"].strip() == ""
    assert "/etc/hosts" not in alone["containerd/bin/pre-start"]


def test_the_kubeconfig_has_a_context_for_each_master_and_works_by_name(rendered, tmp_path):
    files = rendered["three-masters"]["master-0"]
    for name in ("ca.crt", "client.crt", "client.key"):
        (tmp_path / name).write_text(files[f"kubeconfig/config/{name}"])
    script = files["kubeconfig/bin/run"].replace("/var/vcap/jobs/kubeconfig/config", str(tmp_path))
    printed = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=True).stdout
    config = yaml.safe_load(printed)
    assert [c["cluster"]["server"] for c in config["clusters"]] == [f"https://10.245.{n}.2:6443" for n in (1, 2, 3)]
    assert {c["cluster"]["tls-server-name"] for c in config["clusters"]} == {"kubernetes"}
    assert config["current-context"] == "kubernetes-master-0"


def test_without_a_master_nothing_is_deployed_and_the_reason_is_said(ground):
    text = yaml.safe_load(manifest())
    text["instance_groups"][0]["instances"] = 0
    with pytest.raises(Refused) as refused:
        asyncio.run(ground.render(yaml.safe_dump(text, sort_keys=False)))
    assert "the group with the job api-server needs an instance" in refused.value.problems[0].detail


def test_in_a_vcenter_all_files_of_all_instances_are_filled_too(rendered, tmp_path):
    ground = Ground(tmp_path, VSPHERE)
    asyncio.run(ground.read())
    for ops in ("", "three-masters", "node-pools", "private-registry"):
        found = asyncio.run(ground.render(manifest([ops] if ops else [])))
        assert {instance: set(files) for instance, files in found.items()} == {
            instance: set(files) for instance, files in rendered[ops].items()
        }
