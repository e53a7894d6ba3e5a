"""Numbers and alerts: who may read them, and their shape."""

import base64

import httpx
import pytest

from director.model.alert import Alert, Severity
from tests.unit.api.room import Room

TOKEN = "scrape-me"


@pytest.fixture
def room(tmp_path) -> Room:
    return Room(uploads=tmp_path, metrics_token=TOKEN)


async def asked(room: Room, path: str, authorization: str) -> httpx.Response:
    async with room.client(auth=None) as client:
        return await client.get(path, headers={"Authorization": authorization, "Accept": "text/x"})


async def test_numbers_are_told_in_what_the_scraper_accepts(room: Room) -> None:
    answer = await room.ask("GET", "/metrics", headers={"Accept": "text/x"})
    assert (answer.status_code, answer.text) == (200, "said to text/x")
    assert answer.headers["content-type"] == "text/plain"


async def test_the_token_opens_metrics_and_nothing_else(room: Room) -> None:
    assert (await asked(room, "/metrics", f"Bearer {TOKEN}")).status_code == 200
    for path in ("/tasks", "/alerts", "/metrics/", "/fleet"):
        assert (await asked(room, path, f"Bearer {TOKEN}")).status_code == 401, path


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", "Bearer", f"Basic {TOKEN}", TOKEN, ""])
async def test_whatever_else_is_turned_away(room: Room, given: str) -> None:
    assert (await asked(room, "/metrics", given)).status_code == 401


async def test_without_a_token_of_its_own_no_bearer_gets_in(tmp_path) -> None:
    room = Room(uploads=tmp_path)
    assert (await asked(room, "/metrics", "Bearer ")).status_code == 401
    basic = base64.b64encode(b"admin:wrong").decode()
    assert (await asked(room, "/metrics", f"Basic {basic}")).status_code == 401


async def test_alerts_are_listed_as_they_were_told(room: Room) -> None:
    told = Alert(
        at=1.5, severity=Severity.ERROR, code="c", subject="shop/web/0", words="It is gone.", deployment="shop"
    )
    room.alerts = (told,)
    assert await room.get("/alerts") == [
        {
            "at": 1.5, "severity": "error", "code": "c", "subject": "shop/web/0", "words": "It is gone.",
            "is_over": False, "deployment": "shop",
        }
    ]  # fmt: skip
