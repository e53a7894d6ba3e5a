"""Doing several things at once and giving the first failure as itself, not as a group of them."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TypeVar

T = TypeVar("T")


async def gather_all(jobs: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """All results, in order. The first failure cancels the others, waits for them, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
