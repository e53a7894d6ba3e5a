"""Keeps the agent small: imported first of all, before anything that would pull in OpenSSL.

asyncio and hashlib import OpenSSL bindings when they can, and work without them. gRPC brings its own TLS, so
those libraries would only cost memory (measured: 8 MiB of resident memory) on every VM.
"""

import sys

for _name in ("ssl", "_ssl", "_hashlib"):
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]  # None is Python's way to say: not importable
