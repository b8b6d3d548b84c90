"""A host in memory, for testing a plugin's logic with `unittest` or `pytest`, without a component.

It keeps to the plugin world's words, not to the host's gates: whether a component asks for what it uses shows when `relrun plugin test`
runs the built one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from . import _host, _operations, errors, log
from ._fake_files import Files
from ._fake_host import Ended, FakeHost, Fault, Scripted
from ._operations import AnyPlugin
from .need import Needs
from .plugin import Change, Health


class Answer:
    """An outcome, its parts as JSON values."""

    def __init__(self, answer: _operations.Answer) -> None:
        self.summary = answer.summary
        self.outputs: dict[str, Any] = json.loads(answer.outputs)
        self.receipt: Any = None if answer.receipt is None else json.loads(answer.receipt)


class Recovered:
    """A recovery: `kind` is `not-done`, `done` or `partly`; with `done` comes an answer, with `partly` a receipt."""

    def __init__(self, found: _operations.Found) -> None:
        self.kind = found.kind
        self.answer = None if found.answer is None else Answer(found.answer)
        self.receipt: Any = None if found.receipt is None else json.loads(found.receipt)


class Fake:
    """The host of a test, and the calls into a plugin. A new one forgets all that the one before it held."""

    def __init__(self) -> None:
        self._host = FakeHost()
        _host.use(self._host)
        log.listen()

    def input(self, name: str, files: Mapping[str, str | bytes]) -> Path:
        """Stages files as `/in/NAME`; returns the folder."""
        return self._folder("in", name, files)

    def output(self, name: str) -> Path:
        """Makes `/out/NAME`; returns the folder."""
        return self._folder("out", name, {})

    def _folder(self, place: str, name: str, files: Mapping[str, str | bytes]) -> Path:
        root = Path(self._host.dirs(), place, name)
        root.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_bytes(content))
        return root

    def host(self, name: str, labels: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None) -> Self:
        """Adds a host of the environment, with nothing on it."""
        self._host.hosts[name] = Files()
        self._host.host_label[name] = dict(labels or {})
        self._host.host_set.update({(name, key): value for key, value in (settings or {}).items()})
        return self

    def tree(self, files: Mapping[str, str | bytes]) -> str:
        """Keeps a tree of files; returns its digest."""
        return self._host.keep({name: _bytes(content) for name, content in files.items()})

    def secret(self, name: str, value: str) -> Self:
        """Adds a secret."""
        self._host.secrets[name] = value
        return self

    def answer(self, status: int, body: str | bytes = "", headers: Mapping[str, str] | None = None) -> Self:
        """Adds the answer to the next HTTP request that has none yet. A request without one is refused, as by a closed port."""
        self._host.answers.append(Scripted(status, _bytes(body), list((headers or {}).items())))
        return self

    def command(self, *argv: str, code: int = 0, stdout: str | bytes = "", stderr: str | bytes = "") -> Self:
        """Says how a command ends and what it writes, from now on; one that nothing is said of ends with 0."""
        self._host.ends[argv] = Ended(code, _bytes(stdout), _bytes(stderr))
        return self

    def fail(self, call: str, error: errors.Error, *, after: int = 0) -> Self:
        """Fails the next call whose record begins with these words, once; with `after`, when so many of them went well."""
        self._host.faults.append(Fault(call, error, after))
        return self

    def crash_after(self, changes: int) -> Self:
        """Lets that many changes through from now on, then none, nor any checkpoint: the world as a crash leaves it."""
        self._host.changes, self._host.crash_after = 0, changes
        return self

    def restart(self) -> Self:
        """Starts again after a crash."""
        self._host.crash_after = None
        return self

    def context(self, **facts: str | int | None) -> Self:
        """Sets what `context` answers: `package_name`, `version`, `release`, `step`, `attempt`, `idempotency_key`, `environment`, …"""
        unknown = set(facts) - set(self._host.facts)
        if unknown:
            raise TypeError(f"context has no {', '.join(sorted(unknown))}; it has {', '.join(self._host.facts)}")
        self._host.facts.update(facts)
        return self

    def setting(self, name: str, value: str) -> Self:
        """Sets something in the environment."""
        self._host.settings[name] = value
        return self

    def label(self, name: str, value: str) -> Self:
        """Gives the environment a label."""
        self._host.label[name] = value
        return self

    def previous(self, receipt: Any) -> Self:
        """Sets what this deployment's last `apply` left."""
        return self.context(previous=json.dumps(receipt))

    def unfinished(self, checkpoint: Any) -> Self:
        """Sets the last checkpoint of an earlier attempt, which did not end well."""
        return self.context(unfinished=json.dumps(checkpoint))

    def write(self, host: str, path: str, content: str | bytes) -> Self:
        """Writes a file on a host, and makes its directories."""
        files = self._host.files(host)
        files.make_dir(path.rsplit("/", 1)[0] or "/")
        files.put(path, _bytes(content))
        return self

    def read(self, host: str, path: str) -> str:
        """Returns a file's text on a host; links are followed."""
        return self._host.files(host).read(path).decode()

    def names(self, host: str, path: str) -> list[str]:
        """Returns the names in a directory on a host."""
        return [name for name, _, _ in self._host.files(host).list(path)]

    def link(self, host: str, path: str) -> str | None:
        """Returns where a link on a host points."""
        found = self._host.files(host).stat(path)
        return None if found is None else found[2]

    def stranger(self, host: str, dir: str) -> Self:
        """Puts another ledger's mark into a directory."""
        self._host.marks[host, dir] = "stranger"
        return self

    def is_claimed(self, host: str, dir: str) -> bool:
        """Returns whether a directory on a host carries a mark."""
        return (host, dir) in self._host.marks

    def image_tag(self, repository: str, tag: str) -> str | None:
        """Returns the digest that a tag of a repository stands for."""
        return self._host.tags.get((repository, tag))

    def calls(self) -> list[str]:
        """Returns the calls that were recorded, and forgets them."""
        calls, self._host.calls = self._host.calls, []
        return calls

    def checkpoints(self) -> list[Any]:
        """Returns the checkpoints, oldest first, and forgets them."""
        states, self._host.checkpoints = self._host.checkpoints, []
        return states

    def lines(self) -> list[str]:
        """Returns the lines of the log, `info: greeting World`."""
        return list(self._host.lines)

    def describe(self, plugin: AnyPlugin) -> dict[str, Any]:
        """Calls `describe`; the schemas as JSON values."""
        known = _operations.describe(plugin)
        return {
            "name": known.name,
            "version": known.version,
            "summary": known.summary,
            "config_schema": json.loads(known.config_schema),
            "outputs_schema": json.loads(known.outputs_schema),
        }

    def resolve(self, plugin: AnyPlugin, config: Any) -> Needs:
        """Calls `resolve`. What it raises is one of the SDK's errors, as of every call."""
        return _operations.guarded(lambda: _operations.resolve(plugin, json.dumps(config)))

    def plan(self, plugin: AnyPlugin, config: Any) -> list[Change]:
        """Calls `plan`."""
        return _operations.guarded(lambda: _operations.plan(plugin, json.dumps(config)))

    def apply(self, plugin: AnyPlugin, config: Any) -> Answer:
        """Calls `apply`."""
        return Answer(_operations.guarded(lambda: _operations.apply(plugin, json.dumps(config))))

    def recover(self, plugin: AnyPlugin, config: Any, *checkpoint: Any) -> Recovered:
        """Calls `recover`, with the last checkpoint where there was one."""
        state = json.dumps(checkpoint[0]) if checkpoint else None
        return Recovered(_operations.guarded(lambda: _operations.recover(plugin, json.dumps(config), state)))

    def verify(self, plugin: AnyPlugin, config: Any, receipt: Any) -> Health:
        """Calls `verify`."""
        return _operations.guarded(lambda: _operations.verify(plugin, json.dumps(config), json.dumps(receipt)))

    def undo(self, plugin: AnyPlugin, config: Any, receipt: Any) -> Answer:
        """Calls `undo`."""
        return Answer(_operations.guarded(lambda: _operations.undo(plugin, json.dumps(config), json.dumps(receipt))))

    def destroy(self, plugin: AnyPlugin, config: Any, receipt: Any) -> Answer:
        """Calls `destroy`."""
        return Answer(_operations.guarded(lambda: _operations.destroy(plugin, json.dumps(config), json.dumps(receipt))))

    def find(self, plugin: AnyPlugin, config: Any) -> Answer:
        """Calls `adoption.find`."""
        return Answer(_operations.guarded(lambda: _operations.find(plugin, json.dumps(config))))


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
