"""Keeps the guestbook's entries: one JSON line each, on disk before the answer. Asks for its password every time.

GET /health · GET /entries · POST /entries {name, text} · DELETE /entries/<id> · POST /drain (no more writing)
"""

import hmac
import json
import os
import threading
import time
import uuid
from pathlib import Path

from server import Handler, read_config, serve

ENTRIES_MAX = 10_000


class Entries:
    """All entries in memory, and every change on disk. Deleting appends a line, too: nothing is ever rewritten."""

    def __init__(self, directory):
        self.path = Path(directory) / "entries.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.by_id = {}
        self.is_draining = False
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                self.replay(line)

    def replay(self, line):
        try:
            change = json.loads(line)
        except ValueError:
            print(f"skipped a line that was not written to its end: {line[:80]!r}", flush=True)
            return
        self.apply(change)

    def apply(self, change):
        if "deleted" in change:
            self.by_id.pop(change["deleted"], None)
        else:
            self.by_id[change["id"]] = change

    def record(self, change):
        with self.lock:
            if self.is_draining:
                return False
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(change) + "\n")
                file.flush()
                os.fsync(file.fileno())
            self.apply(change)
            return True

    def drain(self):
        with self.lock:
            self.is_draining = True


class StoreHandler(Handler):
    entries = None
    password = ""

    def is_allowed(self):
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), self.password.encode()):
            return True
        self.answer(401, {"error": "wrong password"})
        return False

    def get_health(self):
        self.answer(200, {"status": "running", "entries": len(self.entries.by_id)})

    def get_entries(self):
        if self.is_allowed():
            self.answer(200, list(self.entries.by_id.values()))

    def post_entries(self):
        if not self.is_allowed():
            return
        try:
            asked = json.loads(self.body)
            entry = {"id": uuid.uuid4().hex, "at": time.time(), "name": str(asked["name"]), "text": str(asked["text"])}
        except (ValueError, KeyError, TypeError):
            self.answer(400, {"error": "an entry is {name, text}"})
            return
        if len(self.entries.by_id) >= ENTRIES_MAX:
            self.answer(507, {"error": f"the book is full: {ENTRIES_MAX} entries"})
        elif self.entries.record(entry):
            self.answer(201, entry)
        else:
            self.answer(503, {"error": "the store is stopping"})

    def delete_entries(self):
        if not self.is_allowed():
            return
        id = self.path.rstrip("/").rpartition("/")[2]
        if id not in self.entries.by_id:
            self.answer(404, {"error": f"no entry {id}"})
        elif self.entries.record({"deleted": id}):
            self.answer(200, {"deleted": id})
        else:
            self.answer(503, {"error": "the store is stopping"})

    def post_drain(self):
        if self.is_allowed():
            self.entries.drain()
            self.answer(200, {"status": "draining"})


if __name__ == "__main__":
    config = read_config()
    StoreHandler.entries = Entries(config["directory"])
    StoreHandler.password = config["password"]
    serve(config["ip"], config["port"], StoreHandler)
