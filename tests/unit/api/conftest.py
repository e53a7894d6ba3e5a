"""A room whose uploads go to a fresh directory."""

from pathlib import Path

import pytest

from tests.unit.api.room import Room


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(uploads=tmp_path)
