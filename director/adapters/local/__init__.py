"""The local infrastructure: VMs as process trees of this machine, in namespaces of their own."""

from director.adapters.local.infrastructure import LocalInfrastructure, destroy
from director.adapters.local.remove import remove_tree

__all__ = ("LocalInfrastructure", "destroy", "remove_tree")
