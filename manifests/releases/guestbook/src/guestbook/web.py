"""The guestbook page. Keeps nothing: entries are the store's.

GET / · POST / (the form) · GET, POST /entries (JSON) · DELETE /entries/<id> · GET /health
Every answer says in X-Guestbook-Instance which instance gave it.
"""

import json
from pathlib import Path
from urllib.parse import parse_qs

from page import page
from server import Handler, ask, read_config, serve


class WebHandler(Handler):
    config = {}

    def reply(self, status, content, headers=()):
        me = self.config["me"]
        self.answer(status, content, [("X-Guestbook-Instance", me["instance"]), ("X-Guestbook-AZ", me["az"]), *headers])

    def ask_store(self, path, method="GET", data=None):
        """(status, what it said), with status 502 when it said nothing."""
        store = self.config["store"]
        headers = {"Authorization": f"Bearer {store['password']}", "Content-Type": "application/json"}
        try:
            status, _, body = ask(store["url"] + path, method, data, headers)
            return status, json.loads(body)
        except (OSError, ValueError) as error:
            return 502, {"error": f"the store does not answer: {error}"}

    def get_index(self):
        status, said = self.ask_store("/entries")
        entries = sorted(said, key=lambda entry: entry["at"], reverse=True) if status == 200 else []
        trouble = "" if status == 200 else said["error"]
        text = page(self.config["title"], self.banner(), entries, trouble, self.config["me"])
        self.reply(200 if status == 200 else 503, text)

    def banner(self):
        """The line that the optional job banner makes, if it is on this instance."""
        path = Path(self.config["banner_file"])
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    def get_entries(self):
        self.reply(*self.ask_store("/entries"))

    def post_index(self):
        fields = {name: values[0] for name, values in parse_qs(self.body.decode("utf-8", "replace")).items()}
        status, said = self.add(fields)
        if status == 201:
            self.reply(303, "", [("Location", "/")])
        else:
            self.reply(status, said)

    def post_entries(self):
        try:
            self.reply(*self.add(json.loads(self.body)))
        except ValueError:
            self.reply(400, {"error": "an entry is JSON: {name, text}"})

    def add(self, fields):
        name, text = (str(fields.get(key, "")).strip() for key in ("name", "text"))
        if not name or not text:
            return 400, {"error": "an entry needs a name and a text"}
        return self.ask_store("/entries", "POST", json.dumps({"name": name, "text": text}).encode())

    def delete_entries(self):
        self.reply(*self.ask_store(self.path, "DELETE"))

    def get_health(self):
        self.reply(200, {"status": "running", **self.config["me"]})


if __name__ == "__main__":
    WebHandler.config = read_config()
    serve(WebHandler.config["me"]["ip"], WebHandler.config["port"], WebHandler)
