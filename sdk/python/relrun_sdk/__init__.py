"""Write relrun step plugins in Python.

A plugin is a class that derives from `Plugin` and stands under `@export`. Its config is a dataclass made with `@config`, from which the
JSON Schema comes that the host checks each manifest against. What it reaches of the world it reaches through the modules of this package.

The modules are imported here, all at once: a component holds what was imported when it was built, and can import nothing later.
"""

from . import context, files, hosts, http, kubernetes, log, need, process, registry, rounds, secrets, trees
from ._guard import checkpoint
from ._schema import Length, Pattern, Range, config
from .errors import Cancelled, Denied, Error, Invalid, Missing, Other, Permanent, TimedOut, Transient
from .need import Need, Needs
from .plugin import (
    Begun,
    Came,
    Change,
    Done,
    Drifted,
    Gone,
    Health,
    Intact,
    NotDone,
    Nothing,
    Outcome,
    Partly,
    Plugin,
    Recovery,
    Saved,
    Standing,
    Untouched,
    export,
)

__all__ = [
    "Begun",
    "Came",
    "Cancelled",
    "Change",
    "Denied",
    "Done",
    "Drifted",
    "Error",
    "Gone",
    "Health",
    "Intact",
    "Invalid",
    "Length",
    "Missing",
    "Need",
    "Needs",
    "NotDone",
    "Nothing",
    "Other",
    "Outcome",
    "Partly",
    "Pattern",
    "Permanent",
    "Plugin",
    "Range",
    "Recovery",
    "Saved",
    "Standing",
    "TimedOut",
    "Transient",
    "Untouched",
    "checkpoint",
    "config",
    "context",
    "export",
    "files",
    "hosts",
    "http",
    "kubernetes",
    "log",
    "need",
    "process",
    "registry",
    "rounds",
    "secrets",
    "trees",
]
