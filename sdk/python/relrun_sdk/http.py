"""HTTP through the host's gate: scheme, host, port and method are checked against the grants."""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import Any, Self

from . import _guard, _host
from .errors import Permanent
from .secrets import Secret

_READING = ("GET", "HEAD", "OPTIONS")
_PIECE = 64 << 10
_LIMIT = 16 << 20


class Response:
    """An answer whose body is pulled. A context manager; it is given back at the latest when it is collected."""

    def __init__(self, handle: _host.ResponseHandle) -> None:
        self._handle = handle

    @property
    def status(self) -> int:
        """The status code."""
        return self._handle.status()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers, names in lower case, in the order they came."""
        return self._handle.headers()

    def header(self, name: str) -> str | None:
        """Returns the first header of this name."""
        return next((value for known, value in self.headers if known == name.lower()), None)

    def read(self, max: int = _PIECE) -> bytes:
        """Returns the next bytes of the body, at most `max`; empty at the end."""
        return self._handle.read(max)

    def bytes(self, limit: int = _LIMIT) -> bytes:
        """Reads the rest of the body, at most `limit` bytes; a longer one is an error."""
        pieces = bytearray()
        while piece := self.read():
            pieces += piece
            if len(pieces) > limit:
                raise Permanent(f"the answer is longer than {limit} bytes")
        return bytes(pieces)

    def text(self) -> str:
        """Reads the rest of the body, at most 16 MiB, as text."""
        return self.bytes().decode("utf-8")

    def json(self) -> Any:
        """Reads the rest of the body, at most 16 MiB, as JSON."""
        return json.loads(self.bytes())

    def save(self, path: str | os.PathLike[str]) -> int:
        """Writes the rest of the body to a file under one of the step's directories; returns its length in bytes."""
        return self._handle.save(os.fspath(path))

    def close(self) -> None:
        """Gives the handle back. Twice does no harm."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Request:
    """A request being made. Each method returns the request, so that they can be chained."""

    def __init__(self, method: str, url: str, *, cluster: tuple[str, str] | None = None) -> None:
        self._made = _host.HttpRequest(method, url, cluster=cluster)

    def header(self, name: str, value: str) -> Self:
        """Adds a header."""
        self._made.headers.append((name, value))
        return self

    def secret_header(self, name: str, prefix: str, secret: Secret) -> Self:
        """Adds a header of the prefix and the secret, for the granted origin alone. The plugin never holds the bytes."""
        self._made.secret_headers.append((name, prefix, secret._handle))
        return self

    def bearer(self, secret: Secret) -> Self:
        """Adds the secret as a bearer token."""
        return self.secret_header("authorization", "Bearer ", secret)

    def basic_auth(self, user: str, password: Secret) -> Self:
        """Adds basic authentication with the secret as its password."""
        self._made.basic_auth = (user, password._handle)
        return self

    def body(self, data: bytes | str) -> Self:
        """Sets the body; a text is sent in UTF-8."""
        self._made.body = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        return self

    def json(self, value: Any) -> Self:
        """Sets the body to JSON, with its content type."""
        return self.header("content-type", "application/json").body(json.dumps(value, ensure_ascii=False))

    def body_file(self, path: str | os.PathLike[str]) -> Self:
        """Takes the body from a file under one of the step's directories."""
        self._made.body_file = os.fspath(path)
        return self

    def timeout(self, seconds: float) -> Self:
        """Bounds the whole exchange. The host has a bound of its own."""
        self._made.timeout_ms = max(1, int(seconds * 1000))
        return self

    def _changes_something(self) -> bool:
        tried = self._made.cluster is not None and "dryRun=All" in self._made.url.replace("?", "&").split("&")
        return self._made.method not in _READING and not tried

    def send(self) -> Response:
        """Sends it. A status of 400 or more is a response, not an error."""
        if self._changes_something():
            _guard.mutation()
        return Response(_host.current().send(self._made))


def request(method: str, url: str) -> Request:
    """Starts a request with any method. The URL is absolute, `http` or `https`."""
    return Request(method, url)


def get(url: str) -> Request:
    """Starts a GET request."""
    return Request("GET", url)


def post(url: str) -> Request:
    """Starts a POST request."""
    return Request("POST", url)


def put(url: str) -> Request:
    """Starts a PUT request."""
    return Request("PUT", url)


def patch(url: str) -> Request:
    """Starts a PATCH request."""
    return Request("PATCH", url)


def delete(url: str) -> Request:
    """Starts a DELETE request."""
    return Request("DELETE", url)
