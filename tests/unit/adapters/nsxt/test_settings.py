import pytest

from director.adapters.nsxt.client import Auth
from director.adapters.nsxt.settings import VifType, read_settings
from director.model.problem import Refused

PLAIN = {"host": "nsx.example", "username": "director", "password": "s3cret"}
PEM = "-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----"
KEY = "-----BEGIN PRIVATE KEY-----\nk3y\n-----END PRIVATE KEY-----"


def problems(**properties):
    with pytest.raises(Refused) as caught:
        read_settings(properties)
    return [problem.detail for problem in caught.value.problems]


def test_name_and_password_are_a_session_with_verified_certificates():
    settings = read_settings(PLAIN)
    assert settings.login.auth is Auth.SESSION
    assert settings.login.is_verified
    assert settings.allows_overwrite
    assert settings.vif_type is VifType.NONE


def test_several_managers_are_one_cluster():
    assert read_settings({**PLAIN, "host": "a, b"}).login.managers == ("a", "b")
    several = {"hosts": ["a", "b:8443"], "username": "u", "password": "p"}
    assert read_settings(several).login.urls == ("https://a", "https://b:8443")


def test_a_certificate_needs_no_password():
    settings = read_settings({"host": "nsx", "auth_certificate": PEM, "auth_private_key": KEY})
    assert settings.login.auth is Auth.CERTIFICATE


def test_boshs_keys_are_known():
    tree = {**PLAIN, "use_policy_api": True, "default_vif_type": "PARENT", "allow_overwrite": False, "ca_cert": PEM}
    settings = read_settings(tree)
    assert settings.vif_type is VifType.PARENT
    assert not settings.allows_overwrite
    assert settings.login.ca == PEM


def test_everything_wrong_is_told_at_once():
    told = problems(hots="nsx", password=5, insecure="no", default_vif_type="CHILD", realisation_timeout=0)
    text = " ".join(told)
    for key in ("hots", "host", "username", "password", "insecure", "default_vif_type", "realisation_timeout"):
        assert f"nsxt.{key} " in text


def test_a_misspelt_key_is_guessed():
    with pytest.raises(Refused) as caught:
        read_settings({**PLAIN, "user_name": "x"})
    assert "username" in caught.value.problems[0].fix


def test_unverified_has_to_be_said_and_not_beside_a_ca():
    assert not read_settings({**PLAIN, "insecure": True}).login.is_verified
    assert "contradicts" in " ".join(problems(**PLAIN, insecure=True, ca_cert=PEM))


def test_only_the_policy_api_is_spoken():
    assert "Policy API" in " ".join(problems(**PLAIN, use_policy_api=False))
    assert "not supported" in " ".join(problems(**PLAIN, policy_api_migration_mode=True))


def test_no_problem_and_no_repr_holds_a_secret():
    assert "s3cret" not in repr(read_settings(PLAIN))
    certificate = {"host": "nsx", "auth_certificate": PEM, "auth_private_key": KEY}
    assert "k3y" not in repr(read_settings(certificate))
    assert "s3cret" not in " ".join(problems(host="nsx", username="u", password="p", auth_private_key="s3cret"))
