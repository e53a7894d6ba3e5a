"""What every command shares: the global flags, the director it talks to, the deployment it is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from director.cli.errors import CommandFailed, Exit
from director.cli.target import local_target, named_target

if TYPE_CHECKING:
    from director.cli.client import Client

NO_LOCAL = (
    "No director is named, and none was ever started on this machine.\n"
    "Start one with `director local start`, or name one with --environment (BOSH_ENVIRONMENT)."
)


@dataclass(slots=True)
class Context:
    environment: str = ""
    client_name: str = ""
    client_secret: str = field(default="", repr=False)
    ca_cert: str = field(default="", repr=False)
    deployment: str = ""
    as_json: bool = False
    is_non_interactive: bool = False
    _client: Client | None = field(default=None, repr=False)

    @property
    def director(self) -> Client:
        """The director named, or the local one. Raises CommandFailed when there is neither."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> Client:
        # Help texts and mistakes need no connection, and its modules take longer to load than all else.
        from director.cli.client import Client  # noqa: PLC0415

        if self.environment:
            return Client(named_target(self.environment, self.client_name, self.client_secret, self.ca_cert))
        target = local_target()
        if target is None:
            raise CommandFailed(NO_LOCAL, Exit.NO_DIRECTOR)
        return Client(target)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def ensure_director(self) -> None:
        """With no director named, the one on this machine is used, and started when it is not running."""
        if self.environment:
            return
        from director.cli.commands.daemon import running, start  # noqa: PLC0415  (not needed with -e)

        if running() is None:
            url = start()["url"]
            click.echo(f"No director is named: started the local one at {url}.", err=True)

    def need_deployment(self) -> str:
        """The deployment named by -d or BOSH_DEPLOYMENT, or the only one there is."""
        if self.deployment:
            return self.deployment
        left_out = {f"exclude_{part}": True for part in ("configs", "releases", "stemcells", "lock")}
        names = [d["name"] for d in self.director.get("/deployments", **left_out)]
        if len(names) == 1:
            return str(names[0])
        there = f"There are: {', '.join(names)}." if names else "There is none yet."
        raise CommandFailed(f"Say which deployment with -d. {there}", Exit.BAD_INPUT)

    def path(self, *parts: str) -> str:
        """``/deployments/NAME`` of the deployment this is about, and what follows."""
        return "/" + "/".join(quote(part, safe="*") for part in ("deployments", self.need_deployment(), *parts))

    def confirm(self, question: str) -> None:
        """Goes on only with a yes; scripts say it beforehand with -n."""
        if self.is_non_interactive:
            return
        try:
            is_confirmed = click.confirm(question)
        except click.Abort as abort:
            if not isinstance(abort.__context__, EOFError):
                raise
            message = "Nobody answered on standard input, so nothing was changed. Scripts confirm with -n."
            raise CommandFailed(message, Exit.BAD_INPUT) from abort
        if not is_confirmed:
            raise CommandFailed("Stopped: not confirmed. Nothing was changed.")


pass_context = click.make_pass_decorator(Context, ensure=True)
