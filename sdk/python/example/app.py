"""Fills a template, checks what came out, and keeps the file on the environment's hosts."""

from __future__ import annotations

import difflib
import hashlib
import logging
from dataclasses import dataclass
from typing import Annotated, Any

from relrun_sdk import (
    Came,
    Change,
    Drifted,
    Gone,
    Health,
    Intact,
    Invalid,
    Length,
    Needs,
    NotDone,
    Other,
    Outcome,
    Partly,
    Pattern,
    Plugin,
    Recovery,
    Saved,
    Untouched,
    checkpoint,
    config,
    export,
    files,
    hosts,
    need,
)

import formats
from formats import Format
from templating import TemplateError, fill, names_of

log = logging.getLogger(__name__)


@config()
class Config:
    """A file on hosts, made of a template and values."""

    template: Annotated[str, Length(1), "The template, among the staged files: `conf/app.toml.tmpl`."]
    path: Annotated[str, Pattern("^/."), "Where the file goes on each host."]
    value: Annotated[dict[str, Any] | None, 'The values: `value "port" 8080`.'] = None
    format: Annotated[Format, "What the filled file must be."] = "text"
    require: Annotated[list[str] | None, 'Keys that it must have: `require "server.port"`.'] = None
    hosts: Annotated[str, "Which of the granted hosts, by their labels: `role=web`; all of them by default."] = "*"


@dataclass(frozen=True)
class Outputs:
    """What other steps may refer to."""

    sha256: Annotated[str, "The digest of the filled file."]
    hosts: Annotated[list[str], "The hosts that have it."]


@dataclass(frozen=True)
class Replaced:
    """A host, and what stood there before; nothing where no file was."""

    host: str
    before: str | None = None


@dataclass(frozen=True)
class Receipt:
    """What was written where, and over what."""

    path: str
    content: str
    replaced: list[Replaced]


@export
class ConfigFile(Plugin[Config, Outputs, Receipt]):
    """An effect that may be done again: writing the same file twice does no harm."""

    name = "config-file"
    version = "0.1.0"
    summary = "Fills a template, checks it, and keeps the file on hosts"

    def resolve(self, config: Config) -> Needs:
        return need.effect(need.host("*", because=f"it writes {config.path}"), idempotent=True)

    def plan(self, config: Config) -> list[Change]:
        content = filled(config)
        changes = []
        for host in targets(config):
            before = read(host, config.path)
            if before != content:
                word = "create" if before is None else "change"
                changes.append(Change(f"{word} {config.path} on {host.name}", diff(before or "", content, "stands", "planned")))
        return changes

    def apply(self, config: Config) -> Outcome[Outputs, Receipt]:
        content = filled(config)
        chosen = targets(config)
        receipt = Receipt(config.path, content, self._replaced(config, chosen))
        # What stood there is safe before the first file is replaced: from here on `undo` knows the way back.
        checkpoint(receipt)
        written = 0
        for host in chosen:
            if read(host, config.path) != content:
                host.make_dir(config.path.rsplit("/", 1)[0] or "/")
                host.write_file(config.path, content)
                written += 1
                log.info("wrote %s on %s", config.path, host.name)
        outputs = Outputs(sha256=hashlib.sha256(content.encode()).hexdigest(), hosts=[host.name for host in chosen])
        return Outcome(f"{config.path} stands on {len(chosen)} hosts, {written} written", outputs, receipt)

    def _replaced(self, config: Config, chosen: list[hosts.Host]) -> list[Replaced]:
        """Returns what stood on the hosts before this release: where an earlier attempt began to write, what that one found."""
        earlier = self.unfinished()
        found = {one.host: one for one in earlier.replaced} if earlier is not None and earlier.path == config.path else {}
        return [found.get(host.name) or Replaced(host.name, read(host, config.path)) for host in chosen]

    def recover(self, config: Config, came: Came[Receipt]) -> Recovery[Outputs, Receipt]:
        match came:
            case Untouched():
                return NotDone()
            case Saved(receipt):
                return Partly(receipt)
        raise Other("it left no checkpoint that tells what stood on the hosts before")

    def verify(self, config: Config, receipt: Receipt) -> Health:
        found = {one.host: read(hosts.Host(one.host), receipt.path) for one in receipt.replaced}
        if found and all(content is None for content in found.values()):
            return Gone()
        changes = [drift(host, receipt, content) for host, content in found.items() if content != receipt.content]
        return Drifted(changes) if changes else Intact()

    def undo(self, config: Config, receipt: Receipt) -> str:
        back = 0
        for one in receipt.replaced:
            host = hosts.Host(one.host)
            stands = read(host, receipt.path)
            if stands == one.before:
                continue
            if stands is not None and stands != receipt.content:
                raise Other(f"{receipt.path} on {one.host} was changed by somebody else since; it stays as it is")
            if one.before is None:
                host.remove(receipt.path)
            else:
                host.write_file(receipt.path, one.before)
            back += 1
        return f"put back {receipt.path} on {back} hosts"

    def destroy(self, config: Config, receipt: Receipt) -> str:
        for one in receipt.replaced:
            hosts.Host(one.host).remove(receipt.path)
        return f"removed {receipt.path} from {len(receipt.replaced)} hosts"


def filled(config: Config) -> str:
    """Returns the filled template, checked; what is wrong is told as FILE:LINE:COLUMN."""
    values = config.value or {}
    template = files.input("work").joinpath(config.template).read_text("utf-8")
    try:
        content = fill(template, values)
        unused = sorted(set(values) - names_of(template))
    except TemplateError as error:
        raise Invalid(f"{config.template}:{error}") from None
    if unused:
        raise Invalid(f"{config.template} asks for no value {', '.join(unused)}")
    try:
        said = formats.parse(content, config.format)
    except formats.FormatError as error:
        line = content.split("\n")[error.line - 1] if error.line <= content.count("\n") + 1 else ""
        raise Invalid(f"{config.template}, when it is filled, is no {config.format}: {error}: {line.strip()!r}") from None
    lacking = formats.missing(said, config.require or [])
    if lacking:
        raise Invalid(f"{config.template}, when it is filled, does not say {', '.join(lacking)}")
    return content


def targets(config: Config) -> list[hosts.Host]:
    chosen = hosts.selected(config.hosts)
    if not chosen:
        raise Invalid(f"no granted host has the labels {config.hosts!r}")
    return chosen


def read(host: hosts.Host, path: str) -> str | None:
    return host.read_file(path).decode("utf-8", "replace") if host.stat(path) else None


def drift(host: str, receipt: Receipt, content: str | None) -> Change:
    if content is None:
        return Change(f"{receipt.path} is not there on {host}")
    return Change(f"{receipt.path} on {host} differs", diff(receipt.content, content, "written", "stands"))


def diff(before: str, after: str, before_name: str, after_name: str) -> str:
    return "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), before_name, after_name))
