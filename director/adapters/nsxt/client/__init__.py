"""One login at a cluster of NSX managers, and every call to its Policy API. Knows no kind of object.

    client = NsxClient(NsxLogin(managers=("nsx-1.example", "nsx-2.example"), user="director", password=...))
    await client.patch("/infra/segments/" + quoted(id), {...})
    segments = await client.list("/infra/segments")
    await client.close()

Paths are the Policy API's (``/infra/…``), or whole from ``/api/`` on. Every call raises ``NsxFault`` only; its ``kind``
says what to do about it. What the client does by itself (tries, sessions, other managers, the user's budget of
requests) stands in ``client.py``, ``repeat.py``, ``managers.py`` and ``budget.py``.

Note: what is read may be old. A manager can answer from before another one's write for a moment, search for seconds.
What search finds may be gone already; read it before acting on it.
"""

from director.adapters.nsxt.client.client import NsxClient
from director.adapters.nsxt.client.escape import escaped, quoted
from director.adapters.nsxt.client.faults import NsxFault, Related
from director.adapters.nsxt.client.kinds import LINGERING, Kind
from director.adapters.nsxt.client.login import Auth, NsxLogin

__all__ = ["LINGERING", "Auth", "Kind", "NsxClient", "NsxFault", "NsxLogin", "Related", "escaped", "quoted"]
