"""What is shown of a call: as BOSH hides it, and no secret anywhere."""

import json

from director.adapters.cpi.redact import Mask, secrets_in, secrets_of_env, shown_request, shown_result

NETWORKS = {"default": {"type": "manual", "ip": "10.0.0.5", "cloud_properties": {"subnet": "hidden-1"}}}
ENV = {
    "persistent_disk_fs": "hidden-2",
    "bosh": {"group": "d-shop-web", "groups": ["web"], "tags": {"team": "ops"}, "password": "hidden-3"},
}


def shown(method, *arguments, context=None):
    return json.loads(shown_request(method, arguments, context or {}, 2))


def test_create_vm_shows_everything_but_properties_and_env():
    said = shown("create_vm", "agent-1", "sc-1", {"type": "hidden-4", "deep": {"er": 7}}, NETWORKS, ["disk-1"], ENV)
    assert "hidden" not in json.dumps(said)
    agent, stemcell, properties, networks, disks, env = said["arguments"]
    assert (agent, stemcell, disks) == ("agent-1", "sc-1", ["disk-1"])
    assert properties == {"type": "<redacted>", "deep": {"er": "<redacted>"}}
    assert networks["default"] == {"type": "manual", "ip": "10.0.0.5", "cloud_properties": {"subnet": "<redacted>"}}
    assert env["bosh"] == {
        "group": "d-shop-web", "groups": ["web"], "tags": {"team": "ops"}, "password": "<redacted>"
    }  # fmt: skip


def test_create_disk_hides_its_properties_and_shows_its_size():
    assert shown("create_disk", 1024, {"type": "x"}, "vm-1")["arguments"] == [1024, {"type": "<redacted>"}, "vm-1"]


def test_of_the_context_only_what_is_ours_is_shown():
    context = {"director_uuid": "u", "request_id": "r", "vm": {"stemcell": {"api_version": 3}}, "password": "hidden"}
    assert shown("info", context=context)["context"] == {**context, "password": "<redacted>"}


def test_a_result_hides_the_properties_of_its_networks():
    assert shown_result(["vm-1", NETWORKS])[1]["default"]["cloud_properties"] == {"subnet": "<redacted>"}


def test_secrets_are_found_by_their_keys_and_in_urls():
    tree = {
        "region": "us-east-1",
        "secret_access_key": "secret-1",
        "deep": [{"Password": "secret-2"}],
        "ssh_private": {"pem": "secret-3"},
        "endpoint": "https://user:secret-4@host/",
        "auth_url": "https://host/v3",
    }
    assert sorted(secrets_in(tree)) == ["https://user:secret-4@host/", "secret-1", "secret-2", "secret-3"]


def test_of_an_env_all_is_secret_but_groups_and_tags():
    assert sorted(secrets_of_env(ENV)) == ["hidden-2", "hidden-3"]


def test_a_secret_is_masked_in_every_way_it_is_quoted():
    mask = Mask(['pass"wörd\\'])
    for text in ('pass"wörd\\', json.dumps('pass"wörd\\'), json.dumps('pass"wörd\\', ensure_ascii=False)):
        assert "wörd" not in mask.of(f"a {text} b")
        assert "w\\u00f6rd" not in mask.of(f"a {text} b")


def test_the_lines_of_a_key_are_masked_one_by_one():
    mask = Mask(["-----BEGIN KEY-----\nMIIabcdef\nMIIghijkl\n-----END KEY-----\n"])
    assert mask.of("x MIIghijkl y") == "x <redacted> y"


def test_the_longest_secret_is_masked_first():
    assert Mask(["secret", "secret-long"]).of("secret-long secret") == "<redacted> <redacted>"


def test_short_words_stay_readable():
    assert Mask(["a", "vm"]).of("a vm was made") == "a vm was made"
