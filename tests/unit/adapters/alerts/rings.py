"""Alerts, clocks and sinks for these tests."""

import asyncio

from director.model.alert import Alert, Severity


def alert(
    code="instance.missing-vm", subject="web/web/0", *, severity=Severity.ERROR, at=1000.0, is_over=False, **more
):
    words = "The VM of web/0 is gone."
    return Alert(at=at, severity=severity, code=code, subject=subject, words=words, is_over=is_over, **more)


class Clock:
    """``sleep`` takes no time but the loop's turn, and moves the clock."""

    def __init__(self):
        self.at = 0.0
        self.slept = []

    def now(self):
        return 1_000_000.0 + self.at

    def monotonic(self):
        return self.at

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)


class Numbers:
    def __init__(self):
        self.counted = {}

    def count(self, name, by=1.0, **labels):
        key = (name, *sorted(labels.values()))
        self.counted[key] = self.counted.get(key, 0) + by

    def observe(self, name, seconds, **labels): ...

    def gauge(self, name, read): ...
