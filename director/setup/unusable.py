"""What an operator can put right while setting an infrastructure up, as an answer to the command."""

from collections.abc import Mapping, Sequence


class Unusable(Exception):
    """Something the operator can put right. ``fingerprint`` is of a certificate that is not trusted, ``certificates``
    are several of them (``host``, ``fingerprint``, ``pem``).
    """

    def __init__(
        self, detail: str, fix: str, *, fingerprint: str = "", certificates: Sequence[Mapping[str, str]] = ()
    ) -> None:
        super().__init__(detail)
        self.tree = {
            "detail": detail,
            "fix": fix,
            "fingerprint": fingerprint,
            "certificates": [dict(one) for one in certificates],
        }
