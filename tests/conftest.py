"""What every test shares."""

import asyncio
import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _loop_of_the_main_thread() -> Iterator[None]:
    """pytest-asyncio asks for the thread's loop before its own, and leaves one it made thereby unclosed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def pytest_configure() -> None:
    """Started in the background (nohup, a script's ``&``) interrupts are ignored, also by all that is started here."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="Rewrite the golden plans; review the diff.")
    parser.addoption("--seeds", type=int, help="How many simulated worlds are lived; 1000 in CI, else 100.")
    parser.addoption("--seed", type=int, help="Live one simulated world again, and print all of it.")
