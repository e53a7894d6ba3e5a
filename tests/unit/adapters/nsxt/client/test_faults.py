import pytest

from director.adapters.nsxt.client.faults import NsxFault, fault_of
from director.adapters.nsxt.client.kinds import LINGERING, MANAGER_AWAY, MANNERS, Kind
from director.ports.failure import InfrastructureFailure, Retry


def met(status: int, code: object = None, **more: object) -> NsxFault:
    body = {"error_code": code, "error_message": "words of NSX.", **more}
    return fault_of(status, body, method="PATCH", path="/infra/segments/web", manager="nsx-1")


def test_every_kind_has_its_manner():
    assert set(MANNERS) == set(Kind)
    assert all(manner.do for manner in MANNERS.values())
    assert set(Kind) > LINGERING
    assert not LINGERING & MANAGER_AWAY


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 500030, Kind.HAS_CHILDREN),
        (400, 500045, Kind.PENDING_DELETE),
        (400, 503040, Kind.HAS_PORTS),
        (400, 500105, Kind.OVERLAP),
        (400, 8327, Kind.OVERLAP),
        (400, 640873, Kind.OVERLAP),
        (400, 60508, Kind.SEARCH_BUSY),
        (400, 60514, Kind.SEARCH_BUSY),
        (400, 60515, Kind.SEARCH_BUSY),
        (400, 500087, Kind.STALE),
        (400, 500232, Kind.STALE),
        (400, 100148, Kind.STALE),
        (400, 220, Kind.INVALID),
        (401, None, Kind.SESSION),
        (403, 98, Kind.SESSION),
        (403, 403, Kind.CREDENTIALS),
        (403, 505, Kind.LICENCE),
        (403, 289, Kind.FORBIDDEN),
        (404, 202, Kind.NOT_FOUND),
        (404, 600, Kind.NOT_FOUND),
        (404, 500090, Kind.STALE),
        (400, 500090, Kind.INVALID),
        (409, 1, Kind.STALE),
        (412, 604, Kind.STALE),
        (429, 102, Kind.THROTTLED),
        (500, 98, Kind.BACKEND),
        (500, 99, Kind.CERTIFICATE),
        (500, 607, Kind.ABORTED),
        (500, 100, Kind.BROKEN),
        (503, None, Kind.OVERLOADED),
        (502, None, Kind.UNREADABLE),
        (504, None, Kind.UNREADABLE),
    ],
)
def test_status_and_code_together_make_the_kind(status, code, kind):
    assert met(status, code).kind is kind


def test_a_code_given_as_text_is_the_same():
    assert met(400, "500045").kind is Kind.PENDING_DELETE


def test_a_hierarchical_writes_cause_is_found_among_the_related_errors():
    inner = {"httpStatus": "BAD_REQUEST", "error_code": 500045, "error_message": "path is marked for deletion"}
    fault = met(400, 500000, related_errors=[{"error_code": 1, "error_message": "a", "related_errors": [inner]}])
    assert fault.kind is Kind.PENDING_DELETE
    assert [each.code for each in fault.related] == [1, 500045]
    assert "path is marked for deletion" in str(fault)


def test_a_related_error_is_read_under_its_own_status():
    fault = met(400, None, related_errors=[{"httpStatus": "NOT_FOUND", "error_code": 500090, "error_message": "old"}])
    assert fault.kind is Kind.STALE


def test_the_words_say_who_was_asked_what_it_said_and_what_to_do():
    assert str(met(400, 503040)) == (
        "PATCH /infra/segments/web at NSX manager nsx-1: words of NSX (400 503040). Move or delete the VMs on it; "
        "ports of VMs just deleted go by themselves within a minute."
    )


def test_words_without_end_are_cut():
    assert len(str(met(400, 1, error_message="x" * 10_000))) < 900


@pytest.mark.parametrize("body", [None, [], "<html>", {"error_code": {}}, {"related_errors": "none"}])
def test_a_body_that_is_none_of_nsx_is_told_by_its_status(body):
    fault = fault_of(503, body, method="GET", path="/infra", manager="m")
    assert fault.kind is Kind.OVERLOADED
    assert fault.code is None


def test_a_failure_inside_may_have_done_a_write_but_a_refusal_did_not():
    assert met(500, 1).may_have_happened
    assert not met(400, 500030).may_have_happened
    assert not met(503).may_have_happened
    assert not fault_of(500, None, method="GET", path="/infra", manager="m").may_have_happened


def test_a_fault_is_the_infrastructures_and_says_whether_again_helps():
    assert isinstance(met(429), InfrastructureFailure)
    assert met(429).retry is Retry.SOON
    assert met(403, 505).retry is Retry.NEVER
