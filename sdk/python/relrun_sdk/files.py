"""The step's directories. In a test they lie in a folder of the fake, so a plugin asks for them here and never writes `/in` itself."""

from __future__ import annotations

from pathlib import Path

from . import _host


def input(name: str) -> Path:
    """Returns `/in/NAME`, what a `reads` of the manifest staged; read-only."""
    return Path(f"{_host.current().dirs()}/in", name)


def output(name: str) -> Path:
    """Returns `/out/NAME`, what a `writes` of the manifest keeps."""
    return Path(f"{_host.current().dirs()}/out", name)


def tmp() -> Path:
    """Returns `/tmp`, which is gone after the step."""
    return Path(f"{_host.current().dirs()}/tmp")
