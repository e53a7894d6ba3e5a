"""Infrastructures are built from what names them."""

import sys
from types import ModuleType

import pytest

from director.builder import Builder
from director.model.cpi import CpiEntry
from director.model.problem import Refused
from director.settings import Settings


@pytest.fixture
def builder(tmp_path):
    return Builder(settings=Settings(state_dir=tmp_path), director_uuid="d", tasklog=None, bundle=None)


class WithoutItsLibrary(ModuleType):
    def __getattr__(self, name):
        raise ModuleNotFoundError("No module named 'pyVmomi'", name="pyVmomi")


def test_a_vcenter_without_its_library_is_refused_with_how_to_get_it(builder, monkeypatch):
    name = "director.adapters.vsphere.infrastructure"
    monkeypatch.setitem(sys.modules, name, WithoutItsLibrary(name))
    with pytest.raises(Refused, match="make install-vsphere"):
        builder.of(CpiEntry(name="vc", type="vsphere"))


def test_a_program_needs_no_library_even_for_vsphere(builder):
    assert type(builder.of(CpiEntry(name="vc", type="vsphere", exec_path="/bin/true"))).__name__ == "CpiInfrastructure"


@pytest.mark.parametrize("text", ["{}", "{type: vsphere, properties: 1}", "{type: local, typo: 1}"])
def test_an_infrastructure_file_that_cannot_be_used_is_refused(builder, text):
    (builder.settings.state_dir / "infrastructure.yml").write_text(text)
    with pytest.raises(Refused, match=r"infrastructure\.yml"):
        builder.own()


def test_an_nsxt_beside_local_vms_is_refused(builder):
    with pytest.raises(Refused, match="only VMs in a vCenter"):
        builder.fabric_of(CpiEntry(name="", type="local", properties={"nsxt": {"host": "nsx"}}))


def test_a_cpi_program_sees_to_its_networks_itself(builder):
    entry = CpiEntry(name="vc", type="vsphere", exec_path="/bin/true", properties={"nsxt": {"host": "nsx"}})
    assert builder.fabric_of(entry) is None
