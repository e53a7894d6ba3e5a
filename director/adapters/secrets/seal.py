"""The key file, and sealing with it: without the file, what the store keeps of secrets is noise. Blocks."""

import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from director.model.tree import Node
from director.ports.failure import StoreFailure


class Seal:
    """Makes the key file (0600) when there is none. Raises StoreFailure when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fernet = Fernet(_read_or_make(path))
        except OSError as error:
            raise StoreFailure(f"The key of the secrets in {path} cannot be used: {error.strerror}.") from error
        except ValueError:
            # Without its cause, whose traceback shows the key.
            raise StoreFailure(f"{path} holds no key of secrets. Restore the file from a backup.") from None

    def close(self, value: Node) -> bytes:
        return self._fernet.encrypt(json.dumps(value).encode())

    def open(self, sealed: bytes, name: str) -> Node:
        """Raises StoreFailure naming the variable when it was sealed with another key."""
        try:
            value: Node = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken as error:
            raise StoreFailure(
                f'Variable "{name}" was sealed with another key than the one in {self._path}. '
                "Restore that file from the backup that belongs to this record."
            ) from error
        return value


def _read_or_make(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        _make(path)
        key = path.read_bytes()
    path.chmod(0o600)
    return key


def _make(path: Path) -> None:
    """Whole or not at all, and never over one that another process made meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        return
    finally:
        aside.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
