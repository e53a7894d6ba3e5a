"""What every command shares: the global flags, the director it talks to, the deployment it is about."""

from dataclasses import dataclass, field

import click

from director.cli.client import Client
from director.cli.errors import CommandFailed, Exit
from director.cli.target import local_target, named_target

NO_LOCAL = (
    "No director is named, and none was ever started on this machine.\n"
    "Start one with `director local start`, or name one with --environment (BOSH_ENVIRONMENT)."
)


@dataclass(slots=True)
class Context:
    environment: str = ""
    client_name: str = ""
    client_secret: str = field(default="", repr=False)
    ca_cert: str = ""
    deployment: str = ""
    as_json: bool = False
    is_non_interactive: bool = False
    _client: Client | None = None

    @property
    def director(self) -> Client:
        """The director named, or the local one. Raises CommandFailed when there is neither."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> Client:
        if self.environment:
            return Client(named_target(self.environment, self.client_name, self.client_secret, self.ca_cert))
        target = local_target()
        if target is None:
            raise CommandFailed(NO_LOCAL, Exit.NO_DIRECTOR)
        return Client(target)

    def need_deployment(self) -> str:
        """The deployment named by -d or BOSH_DEPLOYMENT, or the only one there is."""
        if self.deployment:
            return self.deployment
        names = [d["name"] for d in self.director.get("/deployments", exclude_configs=True)]
        if len(names) == 1:
            return str(names[0])
        there = f"There are: {', '.join(names)}." if names else "There is none yet."
        raise CommandFailed(f"Say which deployment with -d. {there}", Exit.BAD_INPUT)

    def confirm(self, question: str) -> None:
        """Goes on only with a yes; scripts say it beforehand with -n."""
        if self.is_non_interactive:
            return
        if not click.confirm(question):
            raise CommandFailed("Stopped: not confirmed. Nothing was changed.")


pass_context = click.make_pass_decorator(Context, ensure=True)
