"""What a plugin is: the class to derive from, and what its operations answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, cast, get_args, get_origin

from . import context, need
from ._schema import from_json
from .errors import Missing, Other, Permanent

C = TypeVar("C")
O = TypeVar("O")  # noqa: E741
R = TypeVar("R")


@dataclasses.dataclass(frozen=True)
class Nothing:
    """No config, no outputs, or no receipt."""


@dataclasses.dataclass(frozen=True)
class Outcome(Generic[O, R]):
    """What an `apply` leaves: one line that says what was done, what other steps may refer to, and what undo needs."""

    summary: str
    outputs: O
    receipt: R | None = None


@dataclasses.dataclass(frozen=True)
class Standing(Generic[R]):
    """What stands without relrun's doing: a value for each reference that stands in the config as its text, and a receipt."""

    summary: str
    values: dict[str, Any]
    receipt: R | None = None


@dataclasses.dataclass(frozen=True)
class Change:
    """One thing that would change, or has drifted: one line, and a unified diff or a longer text."""

    summary: str
    detail: str | None = None


@dataclasses.dataclass(frozen=True)
class Untouched:
    """It changed nothing.

    That can be trusted: the SDK saves an empty checkpoint before the first host call that may change something, unless the plugin
    saved one.
    """


@dataclasses.dataclass(frozen=True)
class Begun:
    """It may have changed something, and saved nothing of its own."""


@dataclasses.dataclass(frozen=True)
class Saved(Generic[R]):
    """The last checkpoint that it saved."""

    receipt: R


#: How far an interrupted `apply` came.
Came = Untouched | Begun | Saved[R]


@dataclasses.dataclass(frozen=True)
class NotDone:
    """Nothing was changed: it may run again."""


@dataclasses.dataclass(frozen=True)
class Done(Generic[O, R]):
    """It was done."""

    outcome: Outcome[O, R]


@dataclasses.dataclass(frozen=True)
class Partly(Generic[R]):
    """It was partly done: what stands, as a receipt that `undo` understands."""

    receipt: R


#: What `recover` found out.
Recovery = NotDone | Done[O, R] | Partly[R]


@dataclasses.dataclass(frozen=True)
class Intact:
    """It stands as it was left."""


@dataclasses.dataclass(frozen=True)
class Drifted:
    """Something differs."""

    changes: list[Change]


@dataclasses.dataclass(frozen=True)
class Gone:
    """Nothing of it is there."""


#: Whether what a receipt names still stands.
Health = Intact | Drifted | Gone


class Plugin(Generic[C, O, R]):
    """A step plugin: `class Greet(Plugin[Config, Outputs, Receipt])`. Only the three names and `apply` have no default.

    The types are dataclasses: the config is what a manifest configures, the outputs are what other steps may refer to as
    `${step.NAME.KEY}`, and the receipt is what `undo` needs; a checkpoint has its type too. `Nothing` stands for none.
    """

    #: Its own name, kebab-case.
    name: ClassVar[str]
    #: Its version (SemVer 2).
    version: ClassVar[str]
    #: One line, without a full stop.
    summary: ClassVar[str]
    #: JSON Schemas (2020-12) of your own, where the config's or the outputs' type is `dict[str, Any]`.
    config_schema: ClassVar[dict[str, Any] | None] = None
    outputs_schema: ClassVar[dict[str, Any] | None] = None

    def resolve(self, config: C) -> need.Needs:
        """Says what this config needs, and reaches nothing; by default nothing, and the step is pure.

        A reference whose value is not known yet stands in the config as the text `${…}`: a field that may hold one is a `str`.
        """
        return need.pure()

    def plan(self, config: C) -> list[Change]:
        """Says what `apply` would change, and changes nothing; by default no line."""
        return []

    def apply(self, config: C) -> Outcome[O, R]:
        """Does it. An effect calls `checkpoint` before each change."""
        raise NotImplementedError

    def recover(self, config: C, came: Came[R]) -> Recovery[O, R]:
        """Says how far an `apply` came that never answered.

        By default: not done where it was untouched, partly done as its last checkpoint says, and an error where it had begun and saved
        none, because then nobody can tell.
        """
        if isinstance(came, Untouched):
            return NotDone()
        if isinstance(came, Saved):
            return Partly(came.receipt)
        raise Other("it had begun to change something, and left no checkpoint that tells how far it came")

    def verify(self, config: C, receipt: R) -> Health:
        """Says whether what the receipt names still stands, and changes nothing. By default an error that says that it cannot."""
        raise Permanent(f"{self.name} cannot verify what it did")

    def undo(self, config: C, receipt: R) -> str:
        """Restores what stood before the `apply` that gave the receipt, and says in one line what it did. Twice does no harm.

        By default an error: who writes receipts also says how they are undone.
        """
        raise Permanent(f"{self.name} cannot undo what it did")

    def destroy(self, config: C, receipt: R) -> str:
        """Removes the deployment, whatever its history, and says in one line what it did. Twice does no harm. By default an error."""
        raise Permanent(f"{self.name} cannot remove what it deployed")

    def find(self, config: C) -> Standing[R]:
        """Looks at what stands at the target without relrun's doing, and changes nothing: for `relrun adopt`. By default an error."""
        raise Missing(f"{self.name} cannot take over what stands without relrun's doing")

    def previous(self) -> R | None:
        """Returns what this deployment's last `apply` left as its receipt."""
        return self._receipt(context.previous(), "the previous receipt")

    def unfinished(self) -> R | None:
        """Returns the last checkpoint of an earlier attempt of this `apply` that did not end well and was not undone.

        What stands at the target is partly this release's own doing then: what stood before it is what that checkpoint says.
        """
        return self._receipt(context.unfinished(), "what an earlier attempt left")

    def _receipt(self, found: Any, what: str) -> R | None:
        return None if found is None else cast(R, from_json(types_of(type(self))[2], found, strict=False, what=what))


def types_of(plugin: type[Plugin[Any, Any, Any]]) -> tuple[Any, Any, Any]:
    """Returns a plugin's config, outputs and receipt types."""
    for cls in plugin.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            if get_origin(base) is Plugin and not any(isinstance(one, TypeVar) for one in get_args(base)):
                given = get_args(base)
                return given[0], given[1], given[2]
    raise TypeError(f"{plugin.__name__} does not say its types: class {plugin.__name__}(Plugin[Config, Outputs, Receipt])")


P = TypeVar("P", bound=type[Plugin[Any, Any, Any]])

_exported: list[type[Plugin[Any, Any, Any]]] = []


def export(plugin: P) -> P:
    """Makes a class the component's plugin. Write it once, as a decorator."""
    for word in ("name", "version", "summary"):
        if not isinstance(getattr(plugin, word, None), str):
            raise TypeError(f"{plugin.__name__} has no {word}")
    types_of(plugin)
    _exported.append(plugin)
    return plugin


def exported() -> Callable[[], Plugin[Any, Any, Any]]:
    """Returns the one class that was exported."""
    if len(_exported) != 1:
        names = ", ".join(plugin.__name__ for plugin in _exported) or "none"
        raise TypeError(f"write @export over just one plugin; it stands over {names}")
    return _exported[0]
