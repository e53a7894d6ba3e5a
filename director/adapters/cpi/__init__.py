"""Any BOSH CPI program as an infrastructure: ``infrastructure.py``. How a program is spoken to: ``client.py``."""

from director.adapters.cpi.client import CpiOptions
from director.adapters.cpi.faults import CpiFault, Kind
from director.adapters.cpi.infrastructure import CpiInfrastructure
from director.adapters.cpi.line import CpiLine

__all__ = ["CpiFault", "CpiInfrastructure", "CpiLine", "CpiOptions", "Kind"]
