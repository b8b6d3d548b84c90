"""The component's exports: each hands its texts to the operations and turns the answer into the world's types.

Imported by what `relrun plugin build` makes of a plugin, after the plugin's own module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world.imports import types

from . import _host, _operations, errors, log
from ._component_host import ComponentHost, clean, error_to
from .need import Needs
from .plugin import Change, Drifted, Health, Intact, exported

T = TypeVar("T")

# While the component is built there is no host: a call would end the build with nothing that an author could read.
_plugin = exported()()
# What cannot be described fails the build, not the first release.
_known = _operations.describe(_plugin)

_host.use(ComponentHost())
log.listen()


def _answered(call: Callable[[], T]) -> T:
    """Runs an operation; what it raises becomes the error case that the host reads."""
    try:
        return _operations.guarded(call)
    except BaseException as raised:  # whatever is not caught here is a trap
        failed = Err(error_to(errors.of(raised)))
    raise failed


def _outcome(answer: _operations.Answer) -> types.Outcome:
    return types.Outcome(clean(answer.summary), answer.outputs, answer.receipt)


def _recovery(found: _operations.Found) -> Any:
    if found.answer is not None:
        return types.Recovery_Done(_outcome(found.answer))
    return types.Recovery_NotDone() if found.receipt is None else types.Recovery_Partly(found.receipt)


def _change(change: Change) -> types.Change:
    return types.Change(clean(change.summary), None if change.detail is None else clean(change.detail))


def _health(health: Health) -> Any:
    if isinstance(health, Drifted):
        return types.Health_Drifted([_change(change) for change in health.changes])
    return types.Health_Intact() if isinstance(health, Intact) else types.Health_Gone()


def _needs(needs: Needs) -> types.Needs:
    kind = types.Kind.EFFECT if needs.is_effect else types.Kind.PURE
    return types.Needs(kind, needs.idempotent, [types.Need(clean(one.capability), clean(one.reason)) for one in needs.requests])


class Step:
    """The interface `step`. What an operation answered is put into the world's types where a mistake in it is caught, too."""

    def describe(self) -> types.Description:
        return types.Description(_known.name, _known.version, _known.summary, _known.config_schema, _known.outputs_schema)

    def resolve(self, config: str) -> types.Needs:
        return _answered(lambda: _needs(_operations.resolve(_plugin, config)))

    def plan(self, config: str) -> list[types.Change]:
        return _answered(lambda: [_change(change) for change in _operations.plan(_plugin, config)])

    def apply(self, config: str) -> types.Outcome:
        return _answered(lambda: _outcome(_operations.apply(_plugin, config)))

    def recover(self, config: str, checkpoint: str | None) -> Any:
        return _answered(lambda: _recovery(_operations.recover(_plugin, config, checkpoint)))

    def verify(self, config: str, receipt: str) -> Any:
        return _answered(lambda: _health(_operations.verify(_plugin, config, receipt)))

    def undo(self, config: str, receipt: str) -> types.Outcome:
        return _answered(lambda: _outcome(_operations.undo(_plugin, config, receipt)))

    def destroy(self, config: str, receipt: str) -> types.Outcome:
        return _answered(lambda: _outcome(_operations.destroy(_plugin, config, receipt)))


class Adoption:
    """The interface `adoption`."""

    def find(self, config: str) -> types.Outcome:
        return _answered(lambda: _outcome(_operations.find(_plugin, config)))
