"""``python -m director``: the command."""
