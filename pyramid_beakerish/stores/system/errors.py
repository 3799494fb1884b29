"""What goes wrong in a file system, in the words of the store contract."""

from __future__ import annotations

from errno import errorcode

from ...errors import StoreUnavailable
from ..translating import translating


def unavailable(error: OSError, store: str = "file", path: str = "") -> StoreUnavailable:
    """Translate the system's error, leaving out the name of the file."""
    code = errorcode.get(error.errno or 0, "no error code")
    return StoreUnavailable(
        f"the {store} store's folder{path} cannot be used: {error.strerror} ({code})"
    )


#: Makes a method raise `StoreUnavailable` for every error of the file system.
translating_errors = translating(OSError, unavailable)
