"""Builds stemcells: a Debian with the agent in it, as vSphere imports it. A program of its own."""
