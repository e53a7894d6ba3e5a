"""Networks, routers, NAT, load balancers and groups in NSX-T, behind the fabric port.

Note: httpx. Importing ``NsxtFabric`` loads it, this package alone does not: whoever only writes settings needs none.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from director.adapters.nsxt.fabric import NsxtFabric

__all__ = ["NsxtFabric"]


def __getattr__(name: str) -> object:
    if name == "NsxtFabric":
        from director.adapters.nsxt.fabric import NsxtFabric  # noqa: PLC0415  see the note above

        return NsxtFabric
    raise AttributeError(name)
