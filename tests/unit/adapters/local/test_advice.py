import pytest

from director.adapters.local import boot
from director.ports.failure import InfrastructureFailure


async def test_a_missing_program_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr("director.adapters.local.process.PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureFailure, match='"mount" is missing on this machine: install util-linux'):
        await boot.check_machine(own_network=False)


@pytest.mark.parametrize(
    "setting, value",
    [
        ("kernel/unprivileged_userns_clone", "0"),
        ("user/max_user_namespaces", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ],
)
async def test_a_machine_without_user_namespaces_names_the_sysctl(monkeypatch, tmp_path, setting, value):
    (tmp_path / setting).parent.mkdir()
    (tmp_path / setting).write_text(value + "\n")
    monkeypatch.setattr(boot, "SYSCTLS", tmp_path)
    monkeypatch.setattr(boot, "unshare_command", lambda *, own_network: ["false"])
    with pytest.raises(InfrastructureFailure, match=rf"set the sysctl {setting.replace('/', '.')} "):
        await boot.check_machine(own_network=False)
