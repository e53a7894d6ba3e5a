"""Generated from schemas/agent/v1/agent.proto by tools/generate-wire: the agent's published contract."""
