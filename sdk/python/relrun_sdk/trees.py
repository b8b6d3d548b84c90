"""Trees of files, named by their digest, moved by the host without passing through the plugin."""

from __future__ import annotations

import os

from . import _host


def capture(dir: str | os.PathLike[str]) -> str:
    """Records a directory of the step (`/in/NAME`, `/out/NAME`, `/tmp/…`) as a tree; returns its digest in hexadecimal."""
    return _host.current().capture(os.fspath(dir))


def restore(digest: str, dir: str | os.PathLike[str]) -> None:
    """Lays a tree into an empty or missing directory of the step."""
    _host.current().restore(digest, os.fspath(dir))
