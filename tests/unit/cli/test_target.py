"""What a command is told about the director it talks to, and what an operator is told to do about it."""

from director.cli import target
from director.cli.target import Target


def test_a_director_that_does_not_answer_on_a_full_disk_is_not_just_to_be_started(tmp_path, monkeypatch):
    local = Target(url="https://127.0.0.1:1", client="c", client_secret="s", hint="Start it.", directory=tmp_path)
    assert local.remedy == "Start it."
    monkeypatch.setattr(target, "FULL_BELOW", 1 << 60)
    assert local.remedy == f"The disk of {tmp_path} is full: free some space on it. Start it."


def test_a_director_elsewhere_or_destroyed_meanwhile_is_not_looked_into(tmp_path, monkeypatch):
    monkeypatch.setattr(target, "FULL_BELOW", 1 << 60)
    for directory in (None, tmp_path / "gone"):
        assert (
            Target(url="u", client="c", client_secret="s", hint="Start it.", directory=directory).remedy == "Start it."
        )
