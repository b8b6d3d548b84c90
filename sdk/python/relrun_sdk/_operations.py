"""The operations between the world's JSON texts and a plugin's types. Knows no binding: component and tests run the same code."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from . import _guard, errors, need
from ._schema import from_json, schema_of, text_of
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
    Saved,
    Standing,
    Untouched,
    types_of,
)

AnyPlugin = Plugin[Any, Any, Any]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Description:
    """A plugin's description, its schemas as JSON texts."""

    name: str
    version: str
    summary: str
    config_schema: str
    outputs_schema: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """An outcome, its parts as JSON texts."""

    summary: str
    outputs: str = "{}"
    receipt: str | None = None


@dataclasses.dataclass(frozen=True)
class Found:
    """A recovery: `not-done`, `done` with an answer, or `partly` with a receipt as a JSON text."""

    kind: str
    answer: Answer | None = None
    receipt: str | None = None


def guarded(call: Callable[[], T]) -> T:
    """Runs an operation; whatever it raises leaves as one of the world's errors, with nothing wrapped round it."""
    # The generator was seeded when the component was built: without this, each run would draw the same numbers.
    random.seed()
    try:
        return call()
    except (Exception, SystemExit) as raised:
        error = errors.of(raised)
    raise error


def describe(plugin: AnyPlugin) -> Description:
    config, outputs, _ = types_of(type(plugin))
    schemas = plugin.config_schema or schema_of(config), plugin.outputs_schema or schema_of(outputs)
    texts = (json.dumps(schema, ensure_ascii=False) for schema in schemas)
    return Description(plugin.name, plugin.version, plugin.summary, *texts)


def resolve(plugin: AnyPlugin, config: str) -> need.Needs:
    needs = _expect(plugin.resolve(_config(plugin, config)), need.Needs, "resolve")
    for request in needs.requests:
        _expect(request, need.Need, "resolve")
    return needs


def plan(plugin: AnyPlugin, config: str) -> list[Change]:
    changes = _expect(plugin.plan(_config(plugin, config)), list, "plan")
    return [_expect(change, Change, "plan") for change in changes]


def apply(plugin: AnyPlugin, config: str) -> Answer:
    read = _config(plugin, config)
    if not _expect(plugin.resolve(read), need.Needs, "resolve").is_effect:
        return _answer(plugin.apply(read), "apply")
    with _guard.armed():
        outcome = plugin.apply(read)
    return _answer(outcome, "apply")


def recover(plugin: AnyPlugin, config: str, checkpoint: str | None) -> Found:
    came: Came[Any]
    if checkpoint is None:
        came = Untouched()
    else:
        receipt = _receipt(plugin, checkpoint)
        came = Begun() if receipt is None else Saved(receipt)
    found = plugin.recover(_config(plugin, config), came)
    if isinstance(found, Done):
        return Found("done", answer=_answer(found.outcome, "recover"))
    if isinstance(found, Partly):
        return Found("partly", receipt=text_of(found.receipt, "the receipt"))
    _expect(found, NotDone, "recover")
    return Found("not-done")


def verify(plugin: AnyPlugin, config: str, receipt: str) -> Health:
    # A plugin that leaves no receipts may still be able to look.
    read = Nothing() if _leaves_nothing(plugin) else _receipt(plugin, receipt)
    if read is None:
        _unrecorded(plugin)
    health = plugin.verify(_config(plugin, config), read)
    if isinstance(health, Drifted):
        return Drifted([_expect(change, Change, "verify") for change in health.changes])
    return health if isinstance(health, Gone) else _expect(health, Intact, "verify")


def undo(plugin: AnyPlugin, config: str, receipt: str) -> Answer:
    return _taking_back(plugin, plugin.undo, config, receipt, "nothing that can be undone was recorded")


def destroy(plugin: AnyPlugin, config: str, receipt: str) -> Answer:
    return _taking_back(plugin, plugin.destroy, config, receipt, "nothing that can be removed was recorded")


def find(plugin: AnyPlugin, config: str) -> Answer:
    standing = _expect(plugin.find(_config(plugin, config)), Standing, "find")
    receipt = None if standing.receipt is None else text_of(standing.receipt, "the receipt")
    return Answer(standing.summary, text_of(standing.values, "the values"), receipt)


def _taking_back(plugin: AnyPlugin, call: Callable[[Any, Any], str], config: str, receipt: str, nothing: str) -> Answer:
    read = _receipt(plugin, receipt)
    if read is None:
        if _leaves_nothing(plugin):
            return Answer(nothing)
        _unrecorded(plugin)
    return Answer(_expect(call(_config(plugin, config), read), str, call.__name__))


def _config(plugin: AnyPlugin, text: str) -> Any:
    return from_json(types_of(type(plugin))[0], _parsed(text, "config", errors.Invalid), strict=True, what="config")


def _receipt(plugin: AnyPlugin, text: str) -> Any:
    """Reads a receipt; None for `null`, the empty checkpoint that the guard saves. Unknown fields may be a newer version's."""
    value = _parsed(text, "receipt", errors.Permanent)
    if value is None:
        return None
    try:
        return from_json(types_of(type(plugin))[2], value, strict=False, what="receipt")
    except errors.Invalid as error:
        raise errors.Permanent(error.message) from None


def _parsed(text: str, what: str, kind: type[errors.Error]) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise kind(f"{what}: {error}") from None


def _leaves_nothing(plugin: AnyPlugin) -> bool:
    return types_of(type(plugin))[2] is Nothing


def _unrecorded(plugin: AnyPlugin) -> NoReturn:
    raise errors.Permanent(f"{plugin.name} had begun to change something, and recorded nothing that says what")


def _answer(outcome: Outcome[Any, Any], where: str) -> Answer:
    _expect(outcome, Outcome, where)
    receipt = None if outcome.receipt is None else text_of(outcome.receipt, "the receipt")
    return Answer(_expect(outcome.summary, str, f"the summary of {where}"), text_of(outcome.outputs, "the outputs"), receipt)


def _expect(value: Any, kind: type[T], where: str) -> T:
    if isinstance(value, kind):
        return value
    raise errors.Permanent(f"{where}: expected {kind.__name__}, found {type(value).__name__}")
