"""Secrets are handles; the bytes stay with the host, which puts them where the grant says."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from . import _host


class Secret:
    """A secret of the manifest that the step was granted. A context manager; it is given back at the latest when it is collected."""

    def __init__(self, handle: _host.SecretHandle) -> None:
        self._handle = handle

    @property
    def name(self) -> str:
        """Its name in the manifest."""
        return self._handle.name()

    def reveal(self) -> str:
        """Returns the text, where the grant says `reveal=true`; `Denied` otherwise."""
        return self._handle.reveal()

    def sign(self, data: bytes) -> bytes:
        """Returns the HMAC-SHA-256 of the data under this secret."""
        return self._handle.sign(data)

    def close(self) -> None:
        """Gives the handle back. Twice does no harm."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return "Secret(…)"


def get(name: str) -> Secret:
    """Finds a secret by its name in the manifest. A config's `${secret.NAME}` is that name."""
    return Secret(_host.current().secret(name))
