"""Keeps values up to a total size, and forgets the one unused for longest. Decides nothing else."""

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class SizedCache(Generic[Value]):
    """``size_max`` in bytes, as the caller counts them. A value larger than that is not kept at all."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._size = 0
        self._values: OrderedDict[str, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> Value | None:
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: str, value: Value, size: int) -> None:
        if key in self._values:
            self._size -= self._values.pop(key)[1]
        self._values[key] = value, size
        self._size += size
        while self._size > self._size_max:
            _, (_, dropped) = self._values.popitem(last=False)
            self._size -= dropped
