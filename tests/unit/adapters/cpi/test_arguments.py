"""What a CPI is given, in BOSH's forms."""

from dataclasses import replace

from director.adapters.cpi.arguments import disk_metadata, env_of, hint_of, vm_metadata
from tests.contract.local_vm import vm_request

TAGS = {"instance_group": "web_Front", "id": "i-1", "index": "0", "deployment": "shop", "name": "web/0", "team": "ops"}


def request(env=None):
    made = vm_request()
    return replace(made, tags=TAGS, shape=replace(made.shape, env=env or {}))


def test_an_env_names_its_groups_for_keeping_vms_apart():
    bosh = env_of(request(), "My_Director!")["bosh"]
    assert bosh["group"] == "my-director-shop-web-front"
    assert bosh["groups"] == [
        "my-director", "shop", "web-front", "my-director-shop", "shop-web-front", "my-director-shop-web-front"
    ]  # fmt: skip
    assert bosh["tags"] == TAGS


def test_an_env_keeps_what_the_manifest_says():
    env = env_of(request({"persistent_disk_fs": "xfs", "bosh": {"password": "x", "group": "mine"}}), "d")
    assert (env["persistent_disk_fs"], env["bosh"]["password"], env["bosh"]["group"]) == ("xfs", "x", "mine")


def test_an_env_carries_the_enrolment_and_nobody_can_replace_it():
    env = env_of(request({"bosh": {"director_enrolment": "forged"}}), "d")
    assert env["bosh"]["director_enrolment"] == {
        "agent_id": "agent-of-web-1",
        "token": "a-token",
        "ca_certificate": "a-certificate",
        "enrol_targets": ["unix:/somewhere/enrol.sock"],
        "agent_targets": ["unix:/somewhere/agents.sock", "10.0.0.1:25581"],
    }


def test_metadata_of_a_vm_has_bosh_s_names_and_only_texts():
    assert vm_metadata({**TAGS, "index": 0}, "d", "then") == {
        **TAGS, "index": "0", "director": "d", "job": "web_Front", "created_at": "then"
    }  # fmt: skip


def test_metadata_of_a_disk_keeps_own_tags_apart():
    assert disk_metadata(TAGS, "d", "shop", "then") == {
        "director": "d",
        "deployment": "shop",
        "instance_group": "web_Front",
        "instance_id": "i-1",
        "instance_index": "0",
        "attached_at": "then",
        "tags": {"team": "ops"},
    }


def test_a_hint_in_words_stands_for_both_ways():
    assert hint_of("/dev/sdb") == {"path": "/dev/sdb", "volume_id": "/dev/sdb"}
    assert hint_of({"id": "x"}) == {"id": "x"}
    assert [hint_of(node) for node in ("", {}, None, 7, [])] == [None] * 5
