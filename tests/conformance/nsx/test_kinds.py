"""Every kind of object lives its whole life through vcf-nsx's typed clients: made, read, listed, changed, deleted."""

from typing import Any

import pytest

from tests.conformance.nsx.cases import Case, Seed
from tests.conformance.nsx.checked import CheckedClient
from tests.conformance.nsx.rows import NAMES, cases
from tests.support.nsxtyped import Answer, NoSuchOperation, Refusal

each = pytest.mark.parametrize("name", NAMES)


class Life:
    """One object of a row under an id of its own."""

    def __init__(self, client: CheckedClient, case: Case, id_: str) -> None:
        self.client, self.case = client, case
        self.id = f"{str(case).replace(' ', '-')}-{id_}"

    def ask(self, method: str, **arguments: Any) -> Answer:
        return self.client.call(method, self.case.template, *self.case.parents, self.id, **arguments)

    def put(self, body: dict[str, Any]) -> Answer:
        return self.ask("PUT", body=body)

    def read(self) -> dict[str, Any]:
        body: dict[str, Any] = self.ask("GET").body
        return body

    def listed(self) -> bool:
        found = self.client.call("GET", self.case.collection, *self.case.parents)
        assert found.body["result_count"] == len(found.body["results"])
        return any(one["id"] == self.id for one in found.body["results"])


def code_of(refusal: pytest.ExceptionInfo[Refusal]) -> tuple[int, int]:
    return refusal.value.status, refusal.value.code


def test_the_names_are_the_rows(table: dict[str, Case], seed: Seed) -> None:
    assert tuple(str(case) for case in cases(seed)) == NAMES


@each
def test_put_makes_it_and_the_sdk_reads_it_back(client: CheckedClient, table: dict[str, Case], name: str) -> None:
    life = Life(client, table[name], "made-by-put")
    made = life.put(dict(life.case.body)).body
    assert made.items() >= {
        "id": life.id, "path": life.case.path(life.id), "resource_type": life.case.model, "_revision": 0,
        "display_name": life.id, "marked_for_delete": False,
    }.items()  # fmt: skip
    assert made["parent_path"] + "/" + made["path"].removeprefix(made["parent_path"] + "/") == made["path"]
    assert made["_create_user"] == made["_last_modified_user"] == "admin"
    assert _within(life.case.body, made)
    assert life.read() == made
    assert life.listed()
    life.ask("DELETE")


@each
def test_patch_makes_it_without_a_word(client: CheckedClient, table: dict[str, Case], name: str) -> None:
    life = Life(client, table[name], "made-by-patch")
    answer = life.ask("PATCH", body=dict(life.case.body))
    assert (answer.status, answer.body, life.read()["_revision"]) == (200, None, 0)
    assert _within(life.case.body, life.read())
    life.ask("DELETE")


@each
def test_put_with_its_revision_changes_it_and_a_stale_one_is_refused(
    client: CheckedClient, table: dict[str, Case], name: str
) -> None:
    life = Life(client, table[name], "changed-by-put")
    first = life.put(dict(life.case.body)).body
    second = life.put(first | life.case.change).body
    assert second["_revision"] == 1
    assert _within(life.case.change, life.read())
    with pytest.raises(Refusal) as stale:
        life.put(first | {"description": "lost"})
    assert stale.value.status == 412
    with pytest.raises(Refusal) as blind:
        life.put(dict(life.case.body))
    assert blind.value.status == 412
    assert life.read() == second
    life.ask("DELETE")


@each
def test_patch_merges_and_counts_the_revision_on(client: CheckedClient, table: dict[str, Case], name: str) -> None:
    life = Life(client, table[name], "changed-by-patch")
    life.put({**life.case.body, "description": "kept", "tags": [{"scope": "a", "tag": "b"}]})
    life.ask("PATCH", body={**_kind_of(life.case), "display_name": "another name"})
    after = life.read()
    assert (after["_revision"], after["description"], after["display_name"]) == (1, "kept", "another name")
    assert _within(life.case.body, after)
    life.ask("DELETE")


@each
def test_delete_takes_it_away_and_then_it_is_not_found(
    client: CheckedClient, table: dict[str, Case], name: str
) -> None:
    life = Life(client, table[name], "deleted")
    life.ask("PATCH", body=dict(life.case.body))
    answer = life.ask("DELETE")
    assert (answer.status, answer.body) == (200, None)
    with pytest.raises(Refusal) as gone:
        life.read()
    assert gone.value.status == 404
    assert not life.listed()


@each
def test_what_is_realized_is_told_in_the_models_words(client: CheckedClient, table: dict[str, Case], name: str) -> None:
    life = Life(client, table[name], "realized")
    life.ask("PATCH", body=dict(life.case.body))
    path = life.case.path(life.id)
    for kind in ("realized-entities", "status"):
        client.call("GET", f"/infra/realized-state/{kind}", intent_path=path)
    life.ask("DELETE")


@each
def test_a_field_the_model_has_not_is_refused(client: CheckedClient, table: dict[str, Case], name: str) -> None:
    life = Life(client, table[name], "unheard-of")
    url = client.url + "/policy/api/v1" + life.case.path(life.id)
    answer = client.session.patch(url, json={**life.case.body, "no_such_field": 1}, timeout=30)
    assert (answer.status_code, answer.json()["error_code"]) == (400, 220)
    with pytest.raises(Refusal):
        life.read()


def test_the_sdk_is_asked_for_what_it_has(client: CheckedClient) -> None:
    with pytest.raises(NoSuchOperation):
        client.call("PUT", "/infra/no-such-things/{}", "one", body={})


def _kind_of(case: Case) -> dict[str, Any]:
    return {"resource_type": case.body["resource_type"]} if "resource_type" in case.body else {}


def _within(asked: Any, given: Any) -> bool:
    """Whether everything asked for is in what is given; the manager may add to it."""
    if isinstance(asked, dict):
        return isinstance(given, dict) and all(name in given and _within(asked[name], given[name]) for name in asked)
    if isinstance(asked, list):
        return len(asked) == len(given) and all(_within(*pair) for pair in zip(asked, given, strict=True))
    return bool(asked == given)
