"""The connection to a director: what is asked again, what an answer means, how output is followed."""

import ssl
from dataclasses import replace

import pytest

from director.cli import client as module
from director.cli.client import Client
from director.cli.errors import CommandFailed, Exit
from director.cli.target import Target, named_target
from tests.unit.cli.fake import Reply, part_of

GONE = Reply(hangs_up=-1)
RUNNING, DONE = {"id": 1, "state": "processing"}, {"id": 1, "state": "done"}


@pytest.fixture
def pauses(monkeypatch):
    """What was slept, in seconds, without sleeping."""
    slept: list[float] = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    return slept


def failure(call, *args, **more) -> CommandFailed:
    with pytest.raises(CommandFailed) as failed:
        call(*args, **more)
    return failed.value


def test_a_request_carries_credentials_and_the_query_without_what_is_empty(fake, client):
    fake.on("GET /x", {"a": 1})
    assert client.get("/x", word="a b", yes=True, no=False, nothing=None, empty="", count=0.5) == {"a": 1}
    (asked,) = fake.asked
    assert asked.query == {"word": "a b", "yes": "true", "count": "0.5"}
    assert asked.headers["authorization"] == "Basic YWRtaW46c2VjcmV0"


def test_one_connection_serves_many_requests(fake, client):
    seen = []
    fake.on("GET /x", lambda asked: seen.append(asked.headers["host"]) or Reply(body={}))
    client.get("/x")
    first = client._connection.sock
    client.get("/x")
    assert client._connection.sock is first


def test_a_connection_that_was_idle_for_long_is_made_anew(fake, client, monkeypatch):
    fake.on("POST /x", Reply(status=204))
    client.send("POST", "/x")
    first = client._connection.sock
    monkeypatch.setattr(module, "IDLE_S", -1.0)
    client.send("POST", "/x")
    assert client._connection.sock is not first


def test_no_director_is_exit_code_3_at_once(pauses):
    failed = failure(Client(named_target("127.0.0.1:1", "a", "b", "")).get, "/info")
    assert failed.code is Exit.NO_DIRECTOR
    assert "https://127.0.0.1:1 cannot be reached: Connection refused." in str(failed)
    assert "BOSH_ENVIRONMENT" in str(failed)
    assert pauses == []


def test_an_untrusted_certificate_is_told_as_such(fake):
    failed = failure(Client(named_target(fake.host, "a", "b", "")).get, "/info")
    assert failed.code is Exit.NO_DIRECTOR
    assert "not trusted" in str(failed)


def test_a_ca_certificate_that_is_none_is_bad_input():
    target = Target(url="https://h:1", client="", client_secret="", ca_certificate="-----BEGIN CERTIFICATE-----\nx")
    assert failure(Client, target).code is Exit.BAD_INPUT


def test_refused_credentials_are_exit_code_3_and_the_secret_is_not_shown(fake, client):
    fake.on("GET /x", Reply(status=401, body="Not authorized: '/x'\n"))
    failed = failure(client.get, "/x")
    assert failed.code is Exit.NO_DIRECTOR
    assert '"admin"' in str(failed)
    assert "--client-secret" in str(failed)
    assert "secret" not in str(failed).replace("--client-secret", "").replace("BOSH_CLIENT_SECRET", "").lower()


def test_problems_are_shown_each_with_place_and_fix_and_exit_code_2(fake, client):
    one = {
        "file": "m.yml",
        "line": 4,
        "column": 2,
        "severity": "error",
        "detail": "Bad.",
        "fix": "mend it.",
        "code": "x.y",
    }
    two = {**one, "file": None, "severity": "warning", "detail": "Odd."}
    fake.on("POST /x", Reply(status=400, body={"code": 1, "description": "both", "problems": [one, two]}))
    failed = failure(client.send, "POST", "/x")
    assert str(failed).splitlines() == [
        "m.yml:4:2: error: Bad.",
        "    to fix it: mend it.",
        "warning: Odd.",
        "    to fix it: mend it.",
        "1 error; nothing was changed.",
    ]
    assert (failed.code, failed.problems) == (Exit.BAD_INPUT, ("x.y", "x.y"))


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (400, {"code": 1, "description": "No."}, Exit.BAD_INPUT, "No."),
        (404, {"code": 1, "description": "Not there."}, Exit.BAD_INPUT, "Not there."),
        (404, "Endpoint 'GET /x' not found.", Exit.FAILED, "GET /x was answered with 404: Endpoint"),
        (409, {"code": 1, "description": "Busy."}, Exit.FAILED, "Busy."),
        (500, {"code": 500000, "description": "Broken."}, Exit.FAILED, "Broken."),
        (500, b"", Exit.FAILED, "GET /x was answered with 500: (nothing)"),
        (200, "<html>hello", Exit.NO_DIRECTOR, "hardly a director"),
    ],
)
def test_an_unwelcome_answer_becomes_words_and_an_exit_code(fake, client, status, body, code, said):
    fake.on("GET /x", Reply(status=status, body=body))
    failed = failure(client.get, "/x")
    assert failed.code is code
    assert said in str(failed)


def test_a_get_is_asked_again_while_the_director_restarts(fake, client, pauses):
    fake.on("GET /x", {"n": 1}, GONE, Reply(status=503, body="later"), {"n": 2})
    assert [client.get("/x"), client.get("/x")] == [{"n": 1}, {"n": 2}]
    assert pauses == [0.0, 0.0]


def test_a_director_that_stays_away_is_given_up(fake, client, pauses):
    fake.on("GET /x", {"n": 1}, GONE)
    client.get("/x")
    failed = failure(client.get, "/x")
    assert failed.code is Exit.NO_DIRECTOR
    assert "stopped answering" in str(failed)
    assert len(fake.asked) == 4


def test_an_answer_that_breaks_off_is_not_taken_for_whole(fake, client, pauses):
    fake.on("GET /x", {"n": 1}, Reply(body={"n": "half"}, hangs_up=4), {"n": 2})
    assert [client.get("/x"), client.get("/x")] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_may_have_been_done_is_not_asked_again(fake, client, pauses, method):
    fake.on("GET /x", {})
    fake.on(f"{method} /x", GONE)
    client.get("/x")
    assert failure(client.send, method, "/x").code is Exit.NO_DIRECTOR
    assert len(fake.said(f"{method} /x")) == 1


def test_an_upload_streams_the_file_with_its_length(fake, client, tmp_path):
    file = tmp_path / "r.tgz"
    file.write_bytes(b"x" * 700_000)
    fake.on("POST /releases", Reply(status=303, headers={"Location": "https://other/tasks/7"}))
    assert client.upload("/releases", file, fix=True).location == "/tasks/7"
    (asked,) = fake.asked
    assert (asked.body, asked.query) == (file.read_bytes(), {"fix": "true"})
    assert asked.headers["content-type"] == "application/x-compressed"


def test_a_download_is_whole_and_its_owners_alone(fake, client, tmp_path):
    fake.on("GET /resources/b", b"y" * 600_000)
    target = tmp_path / "logs.tgz"
    assert client.download("/resources/b", target) == 600_000
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("reply", [Reply(body=b"y" * 100, hangs_up=50), Reply(status=404, body={"description": "no"})])
def test_a_failed_download_leaves_no_file(fake, client, tmp_path, reply):
    fake.on("GET /resources/b", reply)
    failure(client.download, "/resources/b", tmp_path / "logs.tgz")
    assert list(tmp_path.iterdir()) == []


def test_output_is_whole_lines_whatever_the_chunks(fake, client):
    """A chunk may end inside a line, and inside a character."""
    text = "één\nzwei ✓\nlast without end".encode()
    cuts = [text[:1], text[:2], text[:9], text[:15], text]
    fake.on("GET /tasks/1/output", *[lambda asked, cut=cut: part_of(cut, asked) for cut in cuts])
    fake.on("GET /tasks/1", DONE)
    assert list(client.output(1, "event", follow=True)) == ["één", "zwei ✓", "last without end"]


def test_what_is_written_between_the_last_look_and_the_end_is_not_missed(fake, client):
    log = [b"one\n"]
    fake.on("GET /tasks/1/output", lambda asked: part_of(log[0], asked))

    def end(_asked):
        log[0] = b"one\ntwo\n"
        return Reply(body=DONE)

    fake.on("GET /tasks/1", end)
    assert list(client.output(1, "event", follow=True)) == ["one", "two"]


def test_a_director_that_ignores_ranges_is_understood(fake, client):
    fake.on("GET /tasks/1/output", b"one\n", b"one\ntwo\n")
    fake.on("GET /tasks/1", DONE)
    assert list(client.output(1, "event", follow=True)) == ["one", "two"]


def test_a_running_task_is_waited_for_by_the_director_and_never_in_a_busy_loop(fake, client, pauses):
    nothing = [Reply(status=416)] * 5
    fake.on("GET /tasks/1/output", *nothing, Reply(status=206, body=b"done\n"), Reply(status=416))
    fake.on("GET /tasks/1", *[RUNNING] * 5, DONE)
    assert list(client.output(1, "event", follow=True)) == ["done"]
    waits = [asked.headers.get("x-director-wait") for asked in fake.said("GET /tasks/1/output")]
    assert waits == [None, "25", "25", "25", "25", "25", "25", None]
    assert len(pauses) == 4, "a director that does not wait is asked at a pace"
    assert all(0 < pause <= 0.5 for pause in pauses)


def test_the_log_of_a_task_that_ended_long_ago_is_not_waited_for(fake, client):
    fake.task(1, event="one\n")
    assert list(client.output(1, "event", follow=True)) == ["one"]
    assert all("x-director-wait" not in asked.headers for asked in fake.asked)


def test_output_that_is_not_followed_is_one_request(fake, client):
    fake.task(1, result="ende", debug="a\nb\n\xff\n")
    assert list(client.output(1, "debug", follow=False)) == ["a", "b", "ÿ"]
    assert list(client.output(1, "cpi", follow=False)) == []
    assert len(fake.asked) == 2


def test_bytes_that_are_no_text_do_not_end_the_following(fake, client):
    fake.on("GET /tasks/1/output", Reply(status=206, body=b"a\xff\n"), Reply(status=416))
    fake.on("GET /tasks/1", DONE)
    assert list(client.output(1, "debug", follow=True)) == ["a\ufffd"]


def test_a_refused_upload_tells_why_even_when_the_connection_broke(client, monkeypatch, fake):
    """The answer may stand in the connection before the body is sent whole."""
    fake.on("GET /x", Reply(status=413, body={"description": "Too large."}))

    def broken(method, where, body, headers):
        module.http.client.HTTPSConnection.request(client._connection, "GET", "/x", headers=headers)
        raise ssl.SSLEOFError(8, "EOF occurred")

    monkeypatch.setattr(client._connection, "request", broken)
    failed = failure(client.send, "POST", "/x", body=b"much")
    assert str(failed) == "Too large."


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ("host", "https://host:25555"),
        ("host:1234", "https://host:1234"),
        ("https://host", "https://host:25555"),
        ("https://host:1234/", "https://host:1234"),
        ("10.0.0.1", "https://10.0.0.1:25555"),
        ("https://[::1]:5", "https://[::1]:5"),
    ],
)
def test_an_environment_is_a_host_with_or_without_port_or_scheme(environment, url):
    assert named_target(environment, "", "", "").url == url


@pytest.mark.parametrize("environment", ["http://host", "https://", "host:port", "https://[::1"])
def test_an_environment_that_is_none_is_bad_input(environment):
    assert failure(named_target, environment, "", "", "").code is Exit.BAD_INPUT


def test_a_target_shows_no_secret():
    assert "hidden" not in repr(replace(named_target("h", "c", "s", ""), client_secret="hidden"))
