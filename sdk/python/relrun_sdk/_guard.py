"""Checkpoints, and the guard that makes "no checkpoint: nothing was changed" true.

While an effect's `apply` runs, the first host call that may change something saves an empty checkpoint, unless the plugin saved one of its
own before. So a crash never leaves a changed world behind an empty ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import _host
from ._schema import text_of

_armed = False


def checkpoint(state: Any) -> None:
    """Records how far an `apply` has come; durable when it returns.

    Call it before each change: the last one is what `Plugin.recover` and `Plugin.undo` get after a crash. It has the type of the receipt.
    """
    global _armed
    _host.current().save_checkpoint(text_of(state, "the checkpoint"))
    _armed = False


@contextmanager
def armed() -> Iterator[None]:
    """Runs an effect's `apply` under the guard."""
    global _armed
    _armed = True
    try:
        yield
    finally:
        _armed = False


def mutation() -> None:
    """Says that the next host call may change something."""
    if _armed:
        checkpoint(None)
