"""Lines and progress for the people who watch.

Python's own `logging` works too: in a component, the root logger has a `Handler`, so `logging.getLogger(__name__).info(…)` arrives.
"""

from __future__ import annotations

import logging

from . import _host

TRACE = 5
_SEVERITIES = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"), (logging.DEBUG, "debug"))


def trace(message: str) -> None:
    """Writes a line for the plugin's author."""
    _host.current().log("trace", message)


def debug(message: str) -> None:
    """Writes a line for who looks for a fault."""
    _host.current().log("debug", message)


def info(message: str) -> None:
    """Writes a line for who watches."""
    _host.current().log("info", message)


def warn(message: str) -> None:
    """Writes a line about something to look at."""
    _host.current().log("warn", message)


def error(message: str) -> None:
    """Writes a line about something wrong."""
    _host.current().log("error", message)


def progress(what: str, done: int, total: int | None = None) -> None:
    """Says how far something has come; `total` is None while it is not known."""
    _host.current().progress(what, done, total)


class Handler(logging.Handler):
    """Hands the records of `logging` to relrun's log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = next((name for severity, name in _SEVERITIES if record.levelno >= severity), "trace")
            _host.current().log(level, self.format(record))
        except Exception:  # what a log line cannot say must not fail the step
            self.handleError(record)


def listen() -> None:
    """Gives the root logger a `Handler` that takes everything, once."""
    root = logging.getLogger()
    if not any(isinstance(handler, Handler) for handler in root.handlers):
        root.addHandler(Handler())
        root.setLevel(TRACE)
