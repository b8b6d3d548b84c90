"""The errors of a plugin and of every call to the host: one exception class for each case of the plugin world.

What leaves a plugin is always one of these cases: `of` turns any other exception into one, so that none ever becomes a trap.
"""

from __future__ import annotations

import json
import traceback
from typing import ClassVar, Self

MAX_CHAIN = 32


class Error(Exception):
    """Why a step or a call to the host failed. Raise one of its subclasses."""

    kind: ClassVar[str] = "other"

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def context(self, doing: str) -> Self:
        """Returns the same error with what was being done before the message; the kind stays."""
        return type(self)(f"{doing}: {self.message}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Error) and self.message == other.message

    def __hash__(self) -> int:
        return hash((type(self), self.message))

    def __str__(self) -> str:
        return self.message


class Invalid(Error):
    """The manifest's author made a mistake; another try cannot help."""

    kind = "invalid"


class Denied(Error):
    """No grant covers it, or policy forbids it."""

    kind = "denied"


class Missing(Error):
    """Something that should be there is not."""

    kind = "missing"


class TimedOut(Error):
    """It took longer than it may."""

    kind = "timed-out"


class Cancelled(Error):
    """The release is being cancelled: clean up and return."""

    kind = "cancelled"

    def __init__(self, message: str = "the release is being cancelled") -> None:
        super().__init__(message)


class Transient(Error):
    """Another try may help; the host tries again where the step's `retry` says so."""

    kind = "transient"


class Permanent(Error):
    """Another try cannot help."""

    kind = "permanent"


class Other(Error):
    """None of the other kinds."""

    kind = "other"


#: The classes by the world's own words.
KINDS: dict[str, type[Error]] = {
    error.kind: error for error in (Invalid, Denied, Missing, TimedOut, Cancelled, Transient, Permanent, Other)
}


def named(kind: str, message: str = "") -> Error:
    """Returns an error of the kind that the world names so (`timed-out`)."""
    known = KINDS.get(kind, Other)
    return known() if known is Cancelled and not message else known(message)


def of(raised: BaseException) -> Error:
    """Returns what leaves the plugin for an exception that nobody caught.

    One of ours leaves as itself. One that was raised `from` one of ours keeps that one's kind: a host's error is not lost by being wrapped.
    Python's own errors get the kind that says the same; whatever is left is a mistake of the plugin, told with its place.
    """
    if isinstance(raised, Error):
        return raised
    cause = _cause(raised)
    if cause is not None:
        return named(cause.kind, f"{_text(raised)}: {cause.message}")
    for python, kind in _SAME:
        if isinstance(raised, python):
            return kind(_text(raised))
    hint = _AT_THE_TOP if isinstance(raised, ImportError) else ""
    return Permanent(f"{type(raised).__name__}: {_text(raised)}{_place(raised)}{hint}")


_AT_THE_TOP = ": import it at the top of the file, for a component holds what was imported when it was built"

_SAME: tuple[tuple[type[BaseException], type[Error]], ...] = (
    (FileNotFoundError, Missing),
    (PermissionError, Denied),
    (TimeoutError, TimedOut),
    (InterruptedError, Transient),
    (BlockingIOError, Transient),
    (json.JSONDecodeError, Invalid),
    (UnicodeError, Invalid),
    (OSError, Permanent),
)


def _cause(raised: BaseException) -> Error | None:
    """Finds the first of our errors that the exception was raised `from`."""
    here: BaseException | None = raised
    for _ in range(MAX_CHAIN):
        here = here.__cause__ if here is not None else None
        if here is None or isinstance(here, Error):
            return here
    return None


def _text(raised: BaseException) -> str:
    if isinstance(raised, OSError) and raised.strerror and raised.filename is not None:
        # WASI's error numbers are not those that a person knows.
        return f"{raised.filename}: {raised.strerror}"
    try:
        return str(raised) or type(raised).__name__
    except Exception:  # a plugin's own __str__ may fail too
        return type(raised).__name__


def _place(raised: BaseException) -> str:
    frames = traceback.extract_tb(raised.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f" ({last.filename.rsplit('/', 1)[-1]}:{last.lineno} in {last.name})"
