"""Every network fabric of this director, by the name of the CPI whose VMs it connects; most CPIs have none."""

import asyncio
from collections.abc import Mapping
from weakref import WeakValueDictionary

from director.model.names import StackName
from director.ports.fabric import Fabric, FabricFailure


class Fabrics:
    """What a CPI config adds or changes is put here while the director runs; ``of`` is asked anew for every call."""

    def __init__(self, default: Fabric | None = None) -> None:
        self._default: dict[str, Fabric] = {} if default is None else {"": default}
        self._by_cpi: dict[str, Fabric] = dict(self._default)
        self._former: dict[str, Fabric] = {}
        self._turns: WeakValueDictionary[StackName, asyncio.Lock] = WeakValueDictionary()

    @property
    def by_cpi(self) -> Mapping[str, Fabric]:
        """Each once, under the name its CPI has now."""
        return dict(self._by_cpi)

    def has(self, cpi: str) -> bool:
        return cpi in self._former or cpi in self._by_cpi

    def of(self, cpi: str) -> Fabric:
        """Raises FabricFailure when the CPI has none (any more)."""
        found = self._former.get(cpi) or self._by_cpi.get(cpi)
        if found is None:
            name = f'CPI "{cpi}"' if cpi else "the director's own infrastructure"
            raise FabricFailure(f"No NSX-T is configured for {name}: add `nsxt` to its properties again.")
        return found

    def turn(self, stack: StackName) -> asyncio.Lock:
        """Whoever changes or removes the stack holds it from before the first row it writes until after the last."""
        return self._turns.setdefault(stack, asyncio.Lock())

    def name(self, named: Mapping[str, Fabric], former: Mapping[str, Fabric]) -> None:
        """All that CPI configs name, in place of all they named before. ``former`` are names they had."""
        self._by_cpi = {**self._default, **named}
        self._former = dict(former)
