import pytest

from director.adapters.nsxt.client import escaped, quoted
from director.adapters.nsxt.client.escape import collection_of, target_of


def test_an_id_stays_one_segment_of_a_path():
    assert quoted("web [1]/a%") == "web%20%5B1%5D%2Fa%25"
    assert quoted("default:8f1c") == "default:8f1c"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_would_leave_its_segment_is_no_id(name):
    with pytest.raises(AssertionError):
        quoted(name)


def test_what_a_search_would_read_as_its_own_is_escaped():
    assert escaped("default:web/1 (a)[b]") == r"default\:web\/1\ \(a\)\[b\]"


def test_a_path_that_nsx_gave_unquoted_is_quoted_and_a_quoted_one_stays():
    assert target_of("/infra/segments/a [b]", {}) == "/policy/api/v1/infra/segments/a%20%5Bb%5D"
    assert target_of("/infra/segments/a%20b", {}) == "/policy/api/v1/infra/segments/a%20b"


def test_a_path_from_api_on_is_whole():
    assert target_of("/api/v1/node/version", {}) == "/api/v1/node/version"
    assert target_of("/policy/api/v1/infra", {}) == "/policy/api/v1/infra"


def test_query_words_are_what_nsx_reads():
    query = {"force": True, "page_size": 50, "cursor": None, "intent_path": "/infra/a b"}
    assert target_of("/infra", query) == "/policy/api/v1/infra?force=true&page_size=50&intent_path=%2Finfra%2Fa%20b"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/infra", "infra"),
        ("/infra/segments", "segments"),
        ("/infra/segments/a", "segments"),
        ("/infra/tier-1s/a/nat/USER/nat-rules/b", "nat-rules"),
        ("/infra/tier-1s/a/state", "state"),
        ("/infra/realized-state/realized-entities", "realized-state"),
        ("/search/query", "search"),
        ("/policy/api/v1/infra/domains/default/groups/g", "groups"),
        ("/api/v1/node/version", "node/version"),
    ],
)
def test_requests_are_counted_by_what_they_are_about(path, name):
    assert collection_of(path) == name
