"""The version of the API: the newest that vCenter and the library both know."""

from http.client import HTTPException

import pytest

from director.adapters.vsphere.version import choose


def offered(*versions, name="urn:vim25"):
    prior = "".join(f"<version>{version}</version>" for version in versions[1:])
    space = f"<name>{name}</name><version>{versions[0]}</version><priorVersions>{prior}</priorVersions>"
    return f"<namespaces><namespace>{space}</namespace></namespaces>"


def test_the_newest_common_version_is_chosen():
    assert choose(offered("99.0.0.0", "8.0.3.0", "7.0")) == "vim.version.v8_0_3_0"
    assert choose(offered("6.5", "6.0")) == "vim.version.version11"


def test_what_is_no_vcenter_is_told():
    for page in ("<html>hello</html>", offered("8.0.3.0", name="urn:other"), offered("99.0")):
        with pytest.raises(HTTPException, match="is this the address of a vCenter"):
            choose(page)
