"""The settings of alerts and numbers, apart from the others because they are many. docs/alerts.md explains each."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from director.model.alert import Severity


class AlertSettings(BaseSettings):
    """Part of ``Settings``. Secrets stand in files, which are read once."""

    alerts_least: Severity = Severity.WARNING
    alerts_quiet_minutes: float = Field(default=15.0, ge=0)
    alerts_queue_max: int = Field(default=1000, ge=1)
    alerts_webhook_url: SecretStr = SecretStr("")
    alerts_webhook_url_file: Path | None = None
    alerts_webhook_token_file: Path | None = None
    alerts_webhook_ca_file: Path | None = None
    alerts_mail_host: str = ""
    alerts_mail_port: int = Field(default=587, ge=1, le=65535)
    alerts_mail_tls: Literal["starttls", "tls", "none"] = "starttls"
    alerts_mail_user: str = ""
    alerts_mail_password_file: Path | None = None
    alerts_mail_ca_file: Path | None = None
    alerts_mail_from: str = ""
    alerts_mail_to: str = ""
    alerts_mail_pace_s: float = Field(default=60.0, ge=0)
    alerts_program: str = ""
    metrics_token_file: Path | None = None
