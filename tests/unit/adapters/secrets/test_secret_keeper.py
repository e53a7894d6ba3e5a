"""Which secrets are made, kept, made anew and refused; and that nobody but the keeper can read them."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key, load_ssh_public_key

from director.adapters.memory.store import MemoryStore
from director.adapters.secrets import SecretKeeper
from director.adapters.secrets.generate import _fingerprint
from director.model.deployment import Variable
from director.model.problem import Refused
from director.ports.failure import StoreFailure
from director.ports.store import DropDeployment

NOW = 1_700_000_000.0


class StoppedClock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0

    async def sleep(self, seconds):
        raise AssertionError("nothing here waits")


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def keeper(store, tmp_path):
    return SecretKeeper(store, tmp_path / "secrets.key", StoppedClock())


def _password(name="pw", mode="no-overwrite", **options):
    return Variable(name=name, type="password", options=options, update_mode=mode)


def _certificate(name, mode="no-overwrite", **options):
    return Variable(name=name, type="certificate", options={"key_length": 2048, **options}, update_mode=mode)


CA = _certificate("ca", is_ca=True, common_name="shop ca")
LEAF = _certificate("tls", ca="ca", common_name="shop", alternative_names=["shop.example", "10.0.0.4", "::1"])


def _read(pem):
    return x509.load_pem_x509_certificate(pem.encode())


def _extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind).value


async def test_a_password_has_twenty_small_letters_and_digits(keeper):
    values = await keeper.ensure("shop", [_password(), _password("long", length=64)])
    assert len(values["pw"]) == 20
    assert len(values["long"]) == 64
    assert (values["pw"] + values["long"]).isalnum()
    assert (values["pw"] + values["long"]).islower()


async def test_what_is_kept_stays_and_is_the_same_for_the_next_director(keeper, store, tmp_path):
    made = await keeper.ensure("shop", [_password(), _password("other")])
    assert await keeper.ensure("shop", [_password()]) == made
    assert await keeper.values("shop") == made
    again = SecretKeeper(store, tmp_path / "secrets.key", StoppedClock())
    assert await again.values("shop") == made
    assert await again.values("another") == {}


async def test_two_deployments_have_each_their_own(keeper):
    first = await keeper.ensure("a", [_password()])
    second = await keeper.ensure("b", [_password()])
    assert first["pw"] != second["pw"]


async def test_an_absolute_name_is_shared_by_all_deployments(keeper):
    first = await keeper.ensure("a", [_password("/shared")])
    second = await keeper.ensure("b", [_password("/shared"), _password()])
    assert first["/shared"] == second["/shared"]
    await keeper.forget("b")
    assert await keeper.values("b") == first
    await keeper.forget("b", "/shared")
    assert await keeper.values("a") == {}


async def test_at_once_asked_for_it_is_made_once(keeper):
    made = await asyncio.gather(*(keeper.ensure("shop", [_password(), _password("/x")]) for _ in range(5)))
    assert all(values == made[0] for values in made)


@pytest.mark.parametrize(
    "mode, options, is_new",
    [
        ("no-overwrite", {"length": 20}, False),
        ("no-overwrite", {"length": 30}, False),
        ("converge", {"length": 20}, False),
        ("converge", {"length": 30}, True),
        ("overwrite", {"length": 20}, True),
    ],
)
async def test_the_update_mode_says_whether_it_is_made_anew(keeper, mode, options, is_new):
    before = await keeper.ensure("shop", [_password(length=20)])
    ids = await keeper.names("shop")
    after = await keeper.ensure("shop", [_password(mode=mode, **options)])
    assert (after["pw"] != before["pw"]) is is_new
    assert (await keeper.names("shop") != ids) is is_new
    assert await keeper.values("shop") == after


async def test_a_converging_certificate_follows_its_ca(keeper):
    converging = [_certificate("ca", "converge", is_ca=True), _certificate("tls", "converge", ca="ca")]
    before = await keeper.ensure("shop", converging)
    assert await keeper.ensure("shop", converging) == before
    renewed = [_certificate("ca", "converge", is_ca=True, common_name="new"), converging[1]]
    after = await keeper.ensure("shop", renewed)
    assert after["ca"] != before["ca"]
    assert after["tls"]["ca"] == after["ca"]["certificate"]


async def test_inventing_keeps_nothing(keeper):
    kept = await keeper.ensure("shop", [_password()])
    invented = await keeper.invent("shop", [_password(), _password("new")])
    assert invented["pw"] == kept["pw"]
    assert len(invented["new"]) == 20
    assert await keeper.values("shop") == kept


async def test_names_are_sorted_and_have_the_ids_of_their_values(keeper):
    await keeper.ensure("shop", [_password("b"), _password("a"), _password("/c")])
    names = await keeper.names("shop")
    assert [name for _, name in names] == ["/c", "a", "b"]
    assert len({id_ for id_, _ in names}) == 3


async def test_a_forgotten_value_is_made_anew(keeper):
    before = await keeper.ensure("shop", [_password(), _password("other")])
    await keeper.forget("shop", "pw")
    assert list(await keeper.values("shop")) == ["other"]
    after = await keeper.ensure("shop", [_password()])
    assert after["pw"] != before["pw"]
    assert after["other"] == before["other"]


async def test_values_dropped_with_their_deployment_are_gone_here_too(keeper, store):
    await keeper.ensure("shop", [_password()])
    await store.commit(DropDeployment(name="shop"))
    assert await keeper.values("shop") == {}


async def test_a_certificate_is_signed_by_the_ca_of_the_same_list_whatever_their_order(keeper):
    values = await keeper.ensure("shop", [LEAF, CA])
    ca, leaf = _read(values["ca"]["certificate"]), _read(values["tls"]["certificate"])
    leaf.verify_directly_issued_by(ca)
    assert values["tls"]["ca"] == values["ca"]["certificate"] == values["ca"]["ca"]
    assert _extension(ca, x509.BasicConstraints).ca
    assert not _extension(leaf, x509.BasicConstraints).ca
    assert leaf.subject.rfc4514_string() == "CN=shop,O=Cloud Foundry"
    names = _extension(leaf, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["shop.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.4", "::1"]
    assert [use._name for use in _extension(leaf, x509.ExtendedKeyUsage)] == ["serverAuth"]
    assert leaf.not_valid_after_utc == datetime.fromtimestamp(NOW, UTC) + timedelta(days=365)
    assert leaf.not_valid_before_utc <= datetime.fromtimestamp(NOW, UTC)
    key = load_pem_private_key(values["tls"]["private_key"].encode(), None)
    assert key.public_key() == leaf.public_key()


async def test_a_certificate_is_signed_by_a_ca_kept_from_before(keeper):
    before = await keeper.ensure("shop", [CA])
    chained = _certificate("middle", ca="ca", is_ca=True)
    client = _certificate("client", ca="middle", extended_key_usage=["client_auth"], duration=30)
    values = await keeper.ensure("shop", [client, chained])
    assert values["ca"] == before["ca"]
    _read(values["middle"]["certificate"]).verify_directly_issued_by(_read(values["ca"]["certificate"]))
    _read(values["client"]["certificate"]).verify_directly_issued_by(_read(values["middle"]["certificate"]))
    assert values["client"]["ca"] == values["middle"]["certificate"]


async def test_key_pairs_are_in_the_forms_that_bosh_gives_them(keeper):
    variables = [Variable(name="rsa", type="rsa"), Variable(name="ssh", type="ssh")]
    values = await keeper.ensure("shop", variables)
    private = load_pem_private_key(values["rsa"]["private_key"].encode(), None)
    assert values["rsa"]["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert private.public_key() == load_pem_public_key(values["rsa"]["public_key"].encode())
    assert private.key_size == 2048
    ssh = load_pem_private_key(values["ssh"]["private_key"].encode(), None)
    assert ssh.public_key() == load_ssh_public_key(values["ssh"]["public_key"].encode())
    fingerprint = values["ssh"]["public_key_fingerprint"].split(":")
    assert [len(pair) for pair in fingerprint] == [2] * 16


def test_a_fingerprint_is_the_md5_that_openssh_showed_of_old():
    # printf AAAAB3NzaC1yc2E= | base64 -d | md5sum
    assert _fingerprint("AAAAB3NzaC1yc2E=") == "15:07:b5:d4:f7:dc:4a:58:14:51:38:62:c7:40:b7:55"


@pytest.mark.parametrize(
    "variable, words",
    [
        (Variable(name="v", type="wireguard"), 'type "wireguard"'),
        (Variable(name="v", type="password", update_mode="sometimes"), 'update_mode "sometimes"'),
        (_password("v", length=-1), "length -1"),
        (_password("v", length=True), "length true"),
        (_password("v", length="20"), 'length "20"'),
        (_password("v", lenght=3), 'option "lenght"'),
        (Variable(name="v", type="rsa", options={"key_length": 1024}), "key_length 1024"),
        (_certificate("v"), "nobody signs"),
        (_certificate("v", ca="absent"), 'signed by "absent"'),
        (_certificate("v", ca="v", is_ca=True), "signs itself"),
        (_certificate("v", ca=["x"]), "ca a list"),
        (_certificate("v", is_ca="yes"), 'is_ca "yes"'),
        (_certificate("v", is_ca=True, duration=0), "duration 0"),
        (_certificate("v", is_ca=True, common_name="x" * 65), "65 characters"),
        (_certificate("v", is_ca=True, alternative_names=["ok", "not ok", 3]), '"not ok"'),
        (_certificate("v", is_ca=True, extended_key_usage=["code_signing"]), '"code_signing"'),
        (_certificate("v", is_ca=True, organization=None), "organization null"),
    ],
)
async def test_an_option_that_makes_no_sense_is_refused_with_the_variable_named(keeper, variable, words):
    with pytest.raises(Refused) as caught:
        await keeper.ensure("shop", [variable])
    assert any(words in found.detail and '"v"' in found.detail for found in caught.value.problems)
    assert all(found.number == 560000 and found.fix for found in caught.value.problems)
    assert await keeper.values("shop") == {}


async def test_every_problem_is_told_at_once_and_nothing_is_made(keeper):
    variables = [
        _password("good"),
        _password("bad", length=0),
        Variable(name="odd", type="odd", update_mode="odd"),
        _certificate("tls", ca="good"),
        _certificate("one", ca="two", is_ca=True),
        _certificate("two", ca="one", is_ca=True),
        _certificate("three", ca="two"),
        _password("good"),
    ]
    for ask in (keeper.ensure, keeper.invent):
        with pytest.raises(Refused) as caught:
            await ask("shop", variables)
        found = sorted((problem.code, problem.detail.split('"')[1]) for problem in caught.value.problems)
        assert found == [
            ("variable.bad-option", "bad"),
            ("variable.ca", "one"),
            ("variable.ca", "tls"),
            ("variable.ca", "two"),
            ("variable.duplicate", "good"),
            ("variable.type", "odd"),
            ("variable.update-mode", "odd"),
        ]
    assert await keeper.values("shop") == {}


async def test_a_kept_value_that_is_no_ca_cannot_sign(keeper):
    await keeper.ensure("shop", [_password("ca"), CA.__class__(name="leafless", type="rsa")])
    for ca in ("ca", "leafless"):
        with pytest.raises(Refused, match="kept value is no CA"):
            await keeper.ensure("shop", [_certificate("tls", ca=ca)])


async def test_the_store_and_the_key_file_show_no_value(keeper, store, tmp_path):
    values = await keeper.ensure("shop", [_password()])
    (sealed,) = await store.variables("shop")
    assert values["pw"].encode() not in sealed.sealed
    assert values["pw"] not in repr(sealed)
    assert stat.S_IMODE((tmp_path / "secrets.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.key"]


async def test_another_key_file_is_found_out_and_named(keeper, store, tmp_path):
    await keeper.ensure("shop", [_password()])
    other = SecretKeeper(store, tmp_path / "other.key", StoppedClock())
    with pytest.raises(StoreFailure, match=r'"pw".*other\.key.*backup'):
        await other.values("shop")
    with pytest.raises(StoreFailure):
        await other.ensure("shop", [_password("more")])


def test_a_damaged_key_file_is_named_and_not_shown(store, tmp_path):
    path = tmp_path / "secrets.key"
    path.write_text("canary")
    with pytest.raises(StoreFailure, match=r"secrets\.key") as caught:
        SecretKeeper(store, path, StoppedClock())
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert path.read_text() == "canary"


def test_a_key_file_that_others_could_read_is_closed_to_them(store, tmp_path):
    path = tmp_path / "secrets.key"
    SecretKeeper(store, path, StoppedClock())
    path.chmod(0o644)
    SecretKeeper(store, path, StoppedClock())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
