"""Looks at an infrastructure for ``director configure``, before any director uses it; a program of its own."""
