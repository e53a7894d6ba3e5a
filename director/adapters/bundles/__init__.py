"""The agent as a bundle for machines that do not have it: built here, signed by the director, installed by itself."""

from director.adapters.bundles.build import build
from director.adapters.bundles.offer import PATH, AgentBundle

__all__ = ["PATH", "AgentBundle", "build"]
