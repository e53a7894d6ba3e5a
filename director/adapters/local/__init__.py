"""The local infrastructure: VMs as process trees of this machine, in namespaces of their own."""

from director.adapters.local.infrastructure import LocalInfrastructure, destroy

__all__ = ("LocalInfrastructure", "destroy")
