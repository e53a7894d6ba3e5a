"""One address in front of all web instances: takes them in turn, passes over those that do not answer.

GET /status tells what it knows of each. Everything else goes to a web instance.
"""

import threading

from server import Handler, ask, read_config, serve

CHECK_S = 1
"""How often instances that did not answer are tried again."""
TIMEOUT_S = 4
PASSED_ON = ("Content-Type", "Location", "X-Guestbook-Instance", "X-Guestbook-AZ")


class Backend:
    def __init__(self, instance, az, url):
        self.instance = instance
        self.az = az
        self.url = url
        self.served = 0
        self.error = ""

    def status(self):
        return {
            "instance": self.instance,
            "az": self.az,
            "url": self.url,
            "alive": not self.error,
            "served": self.served,
            "error": self.error,
        }

    def check(self):
        try:
            ask(f"{self.url}/health", timeout_s=CHECK_S)
            self.error = ""
        except OSError as error:
            self.error = str(error)


class Backends:
    def __init__(self, backends):
        self.all = backends
        self.next = 0
        self.lock = threading.Lock()

    def in_turn(self):
        """The next one first, those that failed last: when all have failed, they are still worth a try."""
        with self.lock:
            start = self.next
            self.next = (self.next + 1) % max(1, len(self.all))
        return sorted(self.all[start:] + self.all[:start], key=lambda backend: bool(backend.error))

    def check_forever(self):
        pause = threading.Event()
        while not pause.wait(CHECK_S):
            for backend in self.all:
                if backend.error:
                    backend.check()


class ProxyHandler(Handler):
    backends = Backends([])

    def route(self, verb):
        if self.path == "/status":
            super().route(verb)
        elif self.has_body_read():
            self.pass_on()

    def get_status(self):
        self.answer(200, {"backends": [backend.status() for backend in self.backends.all]})

    def pass_on(self):
        for backend in self.backends.in_turn():
            try:
                status, got, data = self.ask(backend)
            except OSError as error:
                backend.error = str(error)
                if not self.may_try_again(error):
                    break
                continue
            backend.error = ""
            backend.served += 1
            self.send(status, [(name, got[name]) for name in PASSED_ON if got[name]], data)
            return
        self.answer(502, {"error": "no web instance answers", "backends": [b.status() for b in self.backends.all]})

    def ask(self, backend):
        headers = {"Content-Type": self.headers.get("Content-Type", "")}
        return ask(backend.url + self.path, self.command, self.body or None, headers, TIMEOUT_S)

    def may_try_again(self, error):
        """Whether another instance may get the same request: not if this one may have written an entry already."""
        return self.command == "GET" or isinstance(getattr(error, "reason", error), ConnectionRefusedError)


if __name__ == "__main__":
    config = read_config()
    ProxyHandler.backends = Backends([Backend(b["instance"], b["az"], b["url"]) for b in config["backends"]])
    threading.Thread(target=ProxyHandler.backends.check_forever, daemon=True).start()
    serve(config["ip"], config["port"], ProxyHandler)
