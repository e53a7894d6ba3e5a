"""How the director tells of itself, from its settings: what is wrong with them is told whole, and no secret with it."""

import json
import os
from contextlib import AsyncExitStack

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from director.adapters.clock import SystemClock
from director.adapters.metrics import PrometheusMeter
from director.model.alert import Alert, Severity
from director.model.health import Condition, HealthReport
from director.model.problem import Refused
from director.outlets import count_health, made_outlets
from director.settings import Settings
from tests.unit.cli.fake import FakeDirector, Reply, write_certificate

ALERT = Alert(at=1.0, severity=Severity.ERROR, code="c", subject="s", words="It is so.")


@pytest.fixture(autouse=True)
def nothing_of_whoever_runs_this(monkeypatch):
    for name in os.environ:
        if name.startswith(("DIRECTOR_", "OTEL_")):
            monkeypatch.delenv(name)


def secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text + "\n")
    return str(path)


async def made(settings, meter=None):
    """Begun and ended again."""
    async with AsyncExitStack() as stack:
        meter = meter or PrometheusMeter()
        return await stack.enter_async_context(made_outlets(settings, SystemClock(), meter, uuid="u", version="0.1.0"))


async def test_without_settings_nothing_leaves_the_director(tmp_path):
    outlets = await made(Settings(state_dir=tmp_path))
    outlets.bell.ring(ALERT)
    assert outlets.bell.recent() == (ALERT,)
    assert outlets.metrics_token == ""


async def test_an_alert_goes_to_the_webhook_named_in_a_file(tmp_path, monkeypatch):
    ca, pem = write_certificate(tmp_path)
    server = FakeDirector(pem)
    try:
        server.on("POST /T1/s3cret", Reply())
        monkeypatch.setenv("DIRECTOR_STATE_DIR", str(tmp_path))
        monkeypatch.setenv("DIRECTOR_NAME", "prod")
        url = secret(tmp_path / "url", f"https://{server.host}/T1/s3cret")
        monkeypatch.setenv("DIRECTOR_ALERTS_WEBHOOK_URL_FILE", url)
        monkeypatch.setenv("DIRECTOR_ALERTS_WEBHOOK_TOKEN_FILE", secret(tmp_path / "token", "t0ken"))
        monkeypatch.setenv("DIRECTOR_ALERTS_WEBHOOK_CA_FILE", str(ca))
        settings = Settings()
        async with made_outlets(settings, SystemClock(), PrometheusMeter(), uuid="u", version="1") as outlets:
            outlets.bell.ring(ALERT)
    finally:
        server.close()
    (asked,) = server.asked
    assert asked.headers["authorization"] == "Bearer t0ken"
    assert json.loads(asked.body)["alerts"][0]["director"] == "prod"


async def test_everything_wrong_is_told_at_once_without_the_secrets(tmp_path):
    settings = Settings(
        state_dir=tmp_path,
        alerts_webhook_url="ftp://hooks.example.com/s3cret",
        alerts_mail_host="mail.example.com",
        alerts_mail_from="nobody",
        alerts_program="'unclosed",
        metrics_token_file=tmp_path / "missing",
    )
    with pytest.raises(Refused) as refused:
        await made(settings)
    told = str(refused.value)
    for words in ("ALERTS_WEBHOOK", "ALERTS_MAIL", "ALERTS_PROGRAM", "METRICS_TOKEN_FILE", "missing cannot be used"):
        assert words in told
    assert len(refused.value.problems) == 4
    assert "s3cret" not in told + repr(settings)


@pytest.mark.parametrize("name,value", [("alerts_least", "loud"), ("alerts_mail_tls", "no"), ("alerts_queue_max", 0)])
def test_a_value_that_is_none_is_refused_when_settings_are_read(tmp_path, name, value):
    with pytest.raises(ValidationError, match=name):
        Settings(state_dir=tmp_path, **{name: value})


async def test_a_secret_that_others_may_read_is_warned_of(tmp_path):
    file = tmp_path / "token"
    file.write_text("t0ken\n")
    file.chmod(0o644)
    with capture_logs() as logs:
        outlets = await made(Settings(state_dir=tmp_path, metrics_token_file=file))
    assert outlets.metrics_token == "t0ken"
    assert [log["event"] for log in logs] == ["others may read a secret"]
    assert "t0ken" not in str(logs) + repr(outlets)


def test_what_the_watch_found_is_told_as_numbers():
    meter = PrometheusMeter()
    counts = ((Condition.RUNNING, 3), (Condition.MISSING, 1))
    count_health(meter, lambda: HealthReport(at=0.0, wall=0.0, counts=counts))
    text = meter.exposition()[0].decode()
    assert 'director_instances{condition="running"} 3.0' in text
    assert 'director_instances{condition="missing"} 1.0' in text
