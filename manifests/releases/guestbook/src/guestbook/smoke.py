"""The errand: uses the guestbook as a visitor would, through the proxy. Ends with 0 only when all of it works."""

import json
import sys
import time
import uuid

from server import ask, read_config

PATIENCE_S = 30
"""Instances that have just started, or were just restarted, may take this long until the proxy sees them."""


def main():
    config = read_config()
    url, wanted = config["url"], set(config["instances"])
    print(f"guestbook at {url}, served by {len(wanted)} web instances")
    entry = write(url)
    try:
        read_back(url, entry)
        meet_everyone(url, wanted)
    finally:
        said(*ask(f"{url}/entries/{entry['id']}", "DELETE"), wanted=200, what="removing the entry")
    print("all good")


def write(url):
    text = f"smoke test {uuid.uuid4()}"
    data = json.dumps({"name": "smoke-tests", "text": text}).encode()
    answer = ask(f"{url}/entries", "POST", data, {"Content-Type": "application/json"})
    entry = json.loads(said(*answer, wanted=201, what="writing an entry"))
    print(f"wrote  {text!r}")
    return entry


def read_back(url, entry):
    body = said(*ask(f"{url}/"), wanted=200, what="fetching the page").decode()
    if entry["text"] not in body:
        sys.exit("the page does not show the entry that was just written")
    print("read   it on the page")


def meet_everyone(url, wanted):
    met = set()
    give_up_at = time.monotonic() + PATIENCE_S
    while not wanted <= met:
        if time.monotonic() > give_up_at:
            sys.exit(f"these web instances served nothing within {PATIENCE_S} s: {', '.join(sorted(wanted - met))}")
        status, headers, _ = ask(f"{url}/health")
        instance = headers.get("X-Guestbook-Instance", "")
        if status == 200 and instance not in met:
            met.add(instance)
            print(f"met    {instance} in {headers.get('X-Guestbook-AZ')}")
        elif status != 200:
            time.sleep(0.2)


def said(status, headers, body, *, wanted, what):
    if status != wanted:
        sys.exit(f"{what} failed: HTTP {status}, {body.decode(errors='replace').strip()}")
    return body


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"the proxy does not answer: {error}")
