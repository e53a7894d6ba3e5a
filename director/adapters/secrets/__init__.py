"""Generated secrets, encrypted in the store with a key from a file."""

from director.adapters.secrets.keeper import SecretKeeper

__all__ = ["SecretKeeper"]
