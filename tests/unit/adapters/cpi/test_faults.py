"""Error classes, the texts users know, and which of them may be tried again (agent-cpi-vsphere.md 2.2)."""

import pytest

from director.adapters.cpi.faults import OURS, Kind, fault_said
from director.ports.failure import Retry

CARRY_FLAG = {Kind.NO_DISK_SPACE, Kind.DISK_NOT_ATTACHED, Kind.DISK_NOT_FOUND, Kind.VM_CREATION_FAILED}


def said(name, message="it broke", *, ok_to_retry=False, method="create_vm"):
    return fault_said(name, message, ok_to_retry=ok_to_retry, method=method, request_id="cpi-7")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in OURS], ids=lambda kind: kind.name)
def test_a_known_class_has_the_text_that_users_know(kind):
    fault = said(kind.value)
    assert fault.kind is kind
    assert str(fault) == (
        f"CPI error '{kind.value}' with message 'it broke' in 'create_vm' CPI method (CPI request ID: cpi-7)"
    )


def test_an_unknown_class_has_the_other_one():
    fault = said("Aws::Error", ok_to_retry=True)
    assert fault.kind is Kind.UNKNOWN
    assert str(fault) == (
        "Unknown CPI error 'Aws::Error' with message 'it broke' in 'create_vm' CPI method (CPI request ID: cpi-7)"
    )
    assert (fault.ok_to_retry, fault.retry) == (False, Retry.NEVER)


@pytest.mark.parametrize(
    "name, message",
    [
        ("InvalidCall", "Method is not known, got resize_disk"),
        ("Bosh::Clouds::CloudError", "Invalid Method: resize_disk"),
        ("Bosh::Clouds::NotImplemented", "anything"),
    ],
)
def test_all_three_ways_to_not_know_a_method_are_one(name, message):
    assert said(name, message, method="resize_disk").kind is Kind.NOT_IMPLEMENTED


def test_words_about_another_method_are_an_error_of_their_own():
    assert said("Bosh::Clouds::CloudError", "Invalid Method: other", method="resize_disk").kind is Kind.CLOUD_ERROR


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in OURS], ids=lambda kind: kind.name)
def test_the_flag_counts_on_four_classes_only(kind):
    fault = said(kind.value, ok_to_retry=True)
    assert fault.ok_to_retry is (kind in CARRY_FLAG)
    assert fault.retry is (Retry.BOUNDED if kind in CARRY_FLAG else Retry.NEVER)
    assert said(kind.value).retry is Retry.NEVER
