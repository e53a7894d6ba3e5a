"""Faults become words with what to do, and say whether trying again can help."""

import pytest
from pyVmomi import vim, vmodl

from director.adapters.vsphere.faults import ADVICE, Fault, fault_of, lost, unreadable
from director.ports.failure import Retry


def said(fault, words=""):
    fault.msg = words
    return str(fault_of('clone VM "web-1"', fault))


def test_vcenters_own_words_come_first_and_what_to_do_last():
    text = said(vim.fault.NoDiskSpace(datastore="ds1"), "Insufficient disk space on datastore 'ds1'.")
    assert text.startswith("clone VM \"web-1\": Insufficient disk space on datastore 'ds1'. Free space there")


def test_a_fault_without_words_gets_ours_with_its_fields():
    assert "datastore ds1 is full" in said(vim.fault.NoDiskSpace(datastore="ds1"))
    lacking = said(vim.fault.NoPermission(privilegeId="VirtualMachine.Config.Memory"))
    assert lacking.count("VirtualMachine.Config.Memory") == 2


def test_a_class_name_is_no_words():
    assert 'something named "web-1" is there' in said(vim.fault.DuplicateName(name="web-1"), "*types.DuplicateName")


def test_a_field_that_is_unset_does_not_break_the_sentence():
    assert "None" not in said(vim.fault.FileNotFound())


def test_a_missing_privilege_is_told_with_its_object_and_reads_well_without_either():
    where = vim.Folder("group-v3")
    text = said(vim.fault.NoPermission(privilegeId="Folder.Create", object=where), "Permission was denied.")
    assert text.endswith(
        "Give the director's account the privilege Folder.Create on group-v3 (`director doctor` lists all it lacks)."
    )
    assert "the privilege that it needs on that object (" in said(vim.fault.NoPermission(), "No.")


def test_vcenters_details_are_told_too():
    fault = vim.fault.GenericVmConfigFault(reason="")
    fault.faultMessage = [vmodl.LocalizableMessage(key="k", message="Could not power on: no space left.")]
    assert "no space left" in said(fault, "An error occurred.")


def test_the_nearest_class_up_the_family_speaks():
    fault = fault_of("x", vim.fault.InsufficientHostMemoryCapacityFault())
    assert "has not enough left" in str(fault)
    assert fault.is_a(vim.fault.InsufficientResourcesFault)
    assert not fault.is_a(vim.fault.NoPermission)


def test_an_unknown_fault_has_its_name():
    assert "DasConfigFault" in str(fault_of("x", vim.fault.DasConfigFault()))


@pytest.mark.parametrize(
    ("fault", "retry"),
    [
        (vim.fault.TaskInProgress(), Retry.SOON),
        (vim.fault.NotAuthenticated(), Retry.SOON),
        (vmodl.fault.HostNotReachable(), Retry.SOON),
        (vmodl.fault.SystemError(reason=""), Retry.BOUNDED),
        (vim.fault.InvalidLogin(), Retry.NEVER),
        (vim.fault.NoPermission(), Retry.NEVER),
        (vim.fault.NoDiskSpace(), Retry.NEVER),
        (vim.fault.DuplicateName(), Retry.NEVER),
    ],
)
def test_each_says_whether_trying_again_can_help(fault, retry):
    assert fault_of("x", fault).retry is retry


def test_all_advice_is_a_sentence_without_its_stop():
    for kind, advice in ADVICE.items():
        assert advice.do[0].isupper(), kind
        assert not advice.do.endswith("."), kind


def test_a_lost_answer_may_have_been_done_and_a_lost_connection_not():
    after = lost("x", "vc", ConnectionResetError("reset"), is_sent=True)
    before = lost("x", "vc", ConnectionRefusedError("refused"), is_sent=False)
    assert (after.is_reply_lost, before.is_reply_lost) == (True, False)
    assert (after.retry, before.retry) == (Retry.SOON, Retry.SOON)
    assert "cannot be reached (refused)" in str(before)
    assert unreadable("x", "vc", KeyError("odd")).is_reply_lost


def test_a_fault_of_none_is_of_no_kind():
    assert not Fault("x").is_a(vim.fault.NoPermission)
