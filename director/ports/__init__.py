"""Protocols only: what the core asks of the outside. Adapters implement them; one contract suite per port."""
