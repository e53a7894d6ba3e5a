"""pytest's side of ``tests/support/go_program.py``."""

import os
from pathlib import Path

import pytest

from tests.support.go_program import GoProgram, NoGo


def built(program: GoProgram) -> Path:
    """Skips the test where it cannot be built, or fails it where CI must not miss it."""
    try:
        return program.build()
    except NoGo as without_go:
        without = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        without(str(without_go))
