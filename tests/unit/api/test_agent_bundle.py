"""The agent bundle is served once it is offered; before that there is none."""

from pathlib import Path

import httpx
from starlette.applications import Starlette

from director.adapters.bundles.offer import PATH as OFFERED_AT
from director.api.agent_bundle import PATH, bundle_route


async def _get(file: Path | None) -> httpx.Response:
    app = Starlette(routes=[bundle_route(lambda: file)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://director") as client:
        return await client.get(PATH)


async def test_it_is_served_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_bytes(b"the bundle")
    answer = await _get(tmp_path / "b.tar.gz")
    assert (answer.status_code, answer.content) == (200, b"the bundle")
    assert answer.headers["content-type"] == "application/gzip"


async def test_a_stranger_makes_no_director_build_one() -> None:
    assert (await _get(None)).status_code == 404


def test_it_is_served_where_it_is_offered() -> None:
    assert PATH == OFFERED_AT
