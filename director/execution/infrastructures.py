"""Every infrastructure of this director by the name of its CPI; the default one has none."""

from collections.abc import Mapping

from director.execution.metered import metered
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import Infrastructure
from director.ports.meter import NO_METER, Meter

DEFAULT = ""


class Infrastructures:
    """What a CPI config adds or changes is put here while the director runs; ``of`` is asked anew for every call."""

    def __init__(self, default: Infrastructure, meter: Meter = NO_METER) -> None:
        self._meter = meter
        self._by_cpi: dict[str, Infrastructure] = {DEFAULT: metered(default, DEFAULT, meter)}
        self._former: dict[str, Infrastructure] = {}

    @property
    def by_cpi(self) -> Mapping[str, Infrastructure]:
        """Each once, under the name it has now."""
        return dict(self._by_cpi)

    def of(self, cpi: str) -> Infrastructure:
        """Raises InfrastructureFailure when no CPI config names it (any more)."""
        found = self._former.get(cpi) or self._by_cpi.get(cpi)
        if found is None:
            known = ", ".join(sorted(name for name in self._by_cpi if name)) or "none"
            raise InfrastructureFailure(
                f'No CPI config has a CPI "{cpi}" (there is: {known}): add it again with `director update-cpi-config`.'
            )
        return found

    def name(self, named: Mapping[str, Infrastructure], former: Mapping[str, Infrastructure]) -> None:
        """All that CPI configs name, in place of all they named before. ``former`` are names they had."""
        self._by_cpi = {DEFAULT: self._by_cpi[DEFAULT], **self._metered(named)}
        self._former = self._metered(former)

    def _metered(self, named: Mapping[str, Infrastructure]) -> dict[str, Infrastructure]:
        return {cpi: metered(one, cpi, self._meter) for cpi, one in named.items()}
