"""Nobody gets past the guard without the secret, and nobody learns from an error what is not theirs to know."""

import pytest
from structlog.testing import capture_logs

from director.api.app import ROUTES
from director.api.guard import OPEN_PATHS
from director.model.problem import Mark, Problem, Refused
from director.ports.failure import Conflict, Retry, StoreFailure
from tests.unit.api.room import Room, raising
from tests.unit.api.samples import shop

EVERY_ROUTE = sorted({(method, route.path) for route in ROUTES for method in route.methods} - {("HEAD", "/info")})


@pytest.mark.parametrize("method,path", EVERY_ROUTE)
async def test_every_route_but_the_open_ones_demands_credentials(room: Room, method: str, path: str) -> None:
    shop(room)
    async with room.client(auth=None) as client:
        answer = await client.request(method, path.replace("{", "").replace("}", ""))
    if path in OPEN_PATHS:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="BOSH Director"'
        assert not room.driver.asked


def test_only_info_health_and_the_agent_bundle_are_open() -> None:
    assert {"/info", "/healthz", "/agent/bundle.tar.gz"} == OPEN_PATHS


@pytest.mark.parametrize("auth", [("admin", "wrong"), ("other", "correct horse"), ("admin", "")])
async def test_wrong_credentials_are_refused_in_words_that_name_the_path(room: Room, auth: tuple[str, str]) -> None:
    async with room.client(auth=auth) as client:
        answer = await client.get("/deployments")
    assert answer.status_code == 401
    assert answer.text == "Not authorized: '/deployments'\n"


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Bearer YWRtaW46Y29ycmVjdCBob3JzZQ==", "Basic \xff"])
async def test_a_strange_authorization_header_is_refused(room: Room, header: str) -> None:
    async with room.client(auth=None) as client:
        answer = await client.get("/tasks", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


async def test_info_tells_whether_the_credentials_are_valid(room: Room) -> None:
    known = await room.get("/info")
    async with room.client(auth=("admin", "wrong")) as client:
        stranger = (await client.get("/info")).json()
    assert known["user"] == "admin"
    assert stranger["user"] is None
    assert known.keys() == {
        "name", "uuid", "version", "user", "cpi", "stemcell_os", "stemcell_version", "user_authentication", "features",
    }  # fmt: skip
    assert known["user_authentication"]["type"] == "basic"


@pytest.mark.parametrize("method,path", [("GET", "/nothing"), ("PATCH", "/deployments"), ("GET", "/tasks/")])
async def test_an_unknown_route_is_404_in_plain_words(room: Room, method: str, path: str) -> None:
    answer = await room.ask(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert path in answer.text


async def test_a_bug_is_500_without_details_and_logged_once(room: Room) -> None:
    with capture_logs() as logs, raising(room, RuntimeError("the secret is swordfish")):
        answer = await room.ask("GET", "/deployments")
    assert answer.status_code == 500
    assert answer.json()["code"] == 500000
    assert "swordfish" not in answer.text
    assert [entry["event"] for entry in logs] == ["a request's handler broke"]


async def test_every_problem_of_a_refusal_reaches_the_operator_with_its_place(room: Room) -> None:
    problems = [
        Problem(
            code="a.one",
            summary="One",
            detail="One is wrong.",
            fix="right it.",
            mark=Mark(file="m.yml", line=3, column=5),
        ),
        Problem(code="a.two", summary="Two", detail="Two is wrong.", fix="right it.", number=150001),
    ]
    room.driver.refusal = Refused(problems)
    answer = await room.ask("POST", "/deployments", content="name: shop")
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == 440001
    assert body["description"].splitlines() == [
        "m.yml:3:5: One is wrong. To fix it: right it.",
        "Two is wrong. To fix it: right it.",
    ]
    assert body["problems"][0] == {
        "code": "a.one", "number": 440001, "summary": "One", "detail": "One is wrong.", "fix": "right it.",
        "severity": "error", "file": "m.yml", "line": 3, "column": 5,
    }  # fmt: skip


@pytest.mark.parametrize("mark,status", [(None, 404), (Mark(file="m.yml", line=1, column=1), 400)])
async def test_an_unknown_thing_is_404_when_the_address_named_it_and_400_when_the_text_did(
    room: Room, mark: Mark | None, status: int
) -> None:
    room.driver.refusal = Refused([Problem(code="a.b", summary="s", detail="d", fix="f", number=70001, mark=mark)])
    answer = await room.ask("POST", "/deployments", content="name: shop")
    assert answer.status_code == status


@pytest.mark.parametrize(
    "error,status",
    [
        (Conflict("Somebody was faster."), 409),
        (StoreFailure("The database is locked.", retry=Retry.SOON), 503),
        (StoreFailure("The database is broken."), 500),
        (OSError(28, "No space left on device"), 500),
    ],
)
async def test_a_broken_world_is_told_in_its_own_words(room: Room, error: Exception, status: int) -> None:
    with raising(room, error):
        answer = await room.ask("GET", "/deployments")
    assert answer.status_code == status
    assert answer.json()["description"]


@pytest.mark.parametrize(
    "content,code", [("{", 710001), ("[]", 40000), ("{}", 40001), ('{"ignore": "yes"}', 40000), ("[" * 100_000, 710001)]
)
async def test_a_bad_json_body_is_400_with_boshs_code(room: Room, content: str, code: int) -> None:
    shop(room)
    answer = await room.ask("PUT", "/deployments/shop/instance_groups/web/0/ignore", content=content)
    assert answer.status_code == 400
    assert answer.json()["code"] == code
