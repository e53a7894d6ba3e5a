"""How a request fails on this VM. The message is what an operator reads, so it holds no secret."""


class Failed(Exception):
    """What was asked could not be done: a script's exit code, a bad package, a missing disk."""
