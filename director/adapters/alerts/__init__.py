"""How people hear of what the director cannot mend by itself: webhook, e-mail, a program."""

from director.adapters.alerts.bell import Bell
from director.adapters.alerts.mail import Mail, MailOptions, Tls
from director.adapters.alerts.program import Program
from director.adapters.alerts.sink import Sink, SinkFailure
from director.adapters.alerts.webhook import Webhook

__all__ = ["Bell", "Mail", "MailOptions", "Program", "Sink", "SinkFailure", "Tls", "Webhook"]
