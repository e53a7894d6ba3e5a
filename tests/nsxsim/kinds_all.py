"""Fills the table: import this, and `kinds.KINDS` has every row."""

from tests.nsxsim import kinds_ipam, kinds_lb, kinds_routing, kinds_security, kinds_sites

TABLES = (kinds_sites, kinds_routing, kinds_ipam, kinds_security, kinds_lb)
