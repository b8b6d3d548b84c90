"""The conformance plugin: it does what its config says. `tests/conformance/README.md` tells the script's language."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from relrun_sdk import (
    Came,
    Change,
    Done,
    Drifted,
    Error,
    Gone,
    Health,
    Intact,
    Invalid,
    Needs,
    NotDone,
    Outcome,
    Partly,
    Plugin,
    Recovery,
    Saved,
    checkpoint,
    context,
    errors,
    export,
    hosts,
    http,
    kubernetes,
    log,
    need,
    process,
    registry,
    rounds,
    secrets,
    trees,
)

Json = Any
Args = dict[str, Json]


@dataclass
class Part:
    """One operation's part of the script, and the receipt or checkpoint that it was given."""

    script: Args
    given: Json = None

    def run(self) -> list[Json]:
        transcript: list[Json] = []
        for action in self.script.get("do", []):
            transcript.append(perform(action, self.given))
        return transcript

    def outcome(self, transcript: list[Json]) -> Outcome[Args, Json]:
        outputs = {**self.script.get("outputs", {}), "transcript": transcript}
        return Outcome(self.script.get("summary", "done"), outputs, self.script.get("receipt"))

    def changes(self, transcript: list[Json]) -> list[Change]:
        told = [Change(change["summary"], change.get("detail")) for change in self.script.get("changes", [])]
        return [*told, Change("transcript", json.dumps(transcript))]

    def line(self, transcript: list[Json]) -> str:
        return str(self.script.get("summary") or json.dumps(transcript))


@export
class Conformance(Plugin[Args, Args, Json]):
    """It does nothing of its own."""

    name = "conformance"
    version = "0.1.0"
    summary = "Does what its config says"
    config_schema = {"type": "object", "properties": {"needs": {"type": "array", "items": {"type": "string"}}}}  # noqa: RUF012

    def resolve(self, config: Args) -> Needs:
        if config.get("resolve") == "refuse":
            raise Invalid("refused")
        requests = [need.Need(line, "the script asks for it") for line in config.get("needs", [])]
        return Needs(config.get("kind", "effect") == "effect", config.get("idempotent", True), tuple(requests))

    def plan(self, config: Args) -> list[Change]:
        part = Part(config.get("plan", {}))
        return part.changes(part.run())

    def apply(self, config: Args) -> Outcome[Args, Json]:
        part = Part(config.get("apply", {}))
        return part.outcome(part.run())

    def recover(self, config: Args, came: Came[Json]) -> Recovery[Args, Json]:
        given = came.receipt if isinstance(came, Saved) else None
        part = Part(config.get("recover", {}), given)
        transcript = part.run()
        recovery = part.script.get("recovery", "not-done")
        if recovery == "done":
            return Done(part.outcome(transcript))
        if recovery == "partly":
            return Partly(part.script.get("receipt", {"transcript": transcript}))
        return NotDone()

    def verify(self, config: Args, receipt: Json) -> Health:
        part = Part(config.get("verify", {}), receipt)
        transcript = part.run()
        health = part.script.get("health", "intact")
        if health == "drifted":
            return Drifted(part.changes(transcript))
        return Gone() if health == "gone" else Intact()

    def undo(self, config: Args, receipt: Json) -> str:
        part = Part(config.get("undo", {}), receipt)
        return part.line(part.run())

    def destroy(self, config: Args, receipt: Json) -> str:
        part = Part(config.get("destroy", {}), receipt)
        return part.line(part.run())


def perform(action: Args, given: Json) -> Json:
    """Does one action; what it throws is caught or wrapped where the action says so."""
    try:
        return given if action["do"] == "given" else do(action)
    except Exception as raised:
        if action.get("catch"):
            return told(errors.of(raised))
        if "wrap" in action:
            raise RuntimeError(action["wrap"]) from raised
        raise


def told(error: Error) -> Json:
    return {"error": error.kind, "message": error.message}


def do(action: Args) -> Json:
    name = action["do"]
    if name not in ACTIONS:
        raise Invalid(f"{name} is no action")
    return ACTIONS[name](action)


def throw(a: Args) -> NoReturn:
    raise errors.named(a["kind"], a.get("message", ""))


def fail(a: Args) -> NoReturn:
    raise RuntimeError(a["message"])


def facts(a: Args) -> Json:
    return {
        "package": context.package(),
        "version": context.version(),
        "release": context.release(),
        "step": context.step(),
        "attempt": context.attempt(),
        "idempotency-key": context.idempotency_key(),
        "environment": context.environment(),
        "deployment": context.deployment(),
        "labels": context.labels(),
        "previous": context.previous(),
        "started-at": context.started_at(),
    }


def write_log(a: Args) -> None:
    # `trace` has no function of its own in `logging`; the others go the way that a plugin's author would take.
    levels = {"trace": log.TRACE, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
    logging.getLogger("conformance").log(levels[a["level"]], "%s", a["message"])


def send(a: Args, request: http.Request) -> Json:
    for name, value in a.get("headers", []):
        request.header(name, value)
    if "secret-header" in a:
        name, prefix, secret = a["secret-header"]
        request.secret_header(name, prefix, secrets.get(secret))
    if "basic-auth" in a:
        user, secret = a["basic-auth"]
        request.basic_auth(user, secrets.get(secret))
    if "body" in a:
        request.body(a["body"])
    if "body-file" in a:
        request.body_file(a["body-file"])
    if "timeout" in a:
        request.timeout(a["timeout"] / 1000)
    with request.send() as response:
        answer: Args = {"status": response.status, "headers": [list(header) for header in response.headers]}
        if "save" in a:
            return {**answer, "saved": response.save(a["save"])}
        return {**answer, "body": drain(lambda: response.read(a.get("max", 65536))).decode()}


def drain(read: Callable[[], bytes]) -> bytes:
    pieces = bytearray()
    while piece := read():
        pieces += piece
    return bytes(pieces)


def command(a: Args) -> process.Command:
    made = process.command(a["program"], *a.get("args", []))
    for name, value in a.get("env", {}).items():
        made.env(name, value)
    if "dir" in a:
        made.dir(a["dir"])
    if "secret-env" in a:
        name, secret = a["secret-env"]
        made.secret_env(name, secrets.get(secret))
    if "stdin" in a:
        made.stdin(a["stdin"])
    if "on-host" in a:
        made.on_host(a["on-host"])
    return made


def spawn(a: Args) -> Json:
    piece = a.get("max", 65536)
    with command(a).spawn() as child:
        if a.get("kill"):
            child.kill()
            child.wait()
            return {"killed": True}
        stdout = drain(lambda: child.read(piece)).decode()
        stderr = drain(lambda: child.read_error(piece)).decode()
        return {"code": child.wait(), "stdout": stdout, "stderr": stderr}


def host(a: Args) -> hosts.Host:
    return hosts.Host(a["host"])


def entry(found: hosts.Entry | None) -> Json:
    return None if found is None else {"name": found.name, "type": found.file_type, "target": found.target}


def perform_round(a: Args) -> Json:
    made = rounds.Round(a.get("parallel", 0))
    queue: dict[str, Callable[[Args], Any]] = {
        "claim": lambda d: made.claim(host(d), d["dir"]),
        "disclaim": lambda d: made.disclaim(host(d), d["dir"]),
        "make-dir": lambda d: made.make_dir(host(d), d["path"]),
        "upload": lambda d: made.upload(host(d), d["digest"], d["path"]),
        "symlink": lambda d: made.symlink(host(d), d["target"], d["path"]),
        "rename": lambda d: made.rename(host(d), d["old"], d["new"]),
        "write-file": lambda d: made.write_file(host(d), d["path"], d["text"]),
        "remove": lambda d: made.remove(host(d), d["path"]),
        "run": lambda d: made.run(host(d), command(d)),
    }
    for deed in a["deeds"]:
        queue[deed["do"]](deed)
    return [[where.name, error and told(error)] for where, error in made.perform()]


def image(told: Args) -> registry.Image:
    """Reads an image as its JSON tells it."""
    plain = {key.replace("-", "_"): value for key, value in told.items()}
    plain["images"] = [registry.Platform(**platform(one)) for one in told.get("images", [])]
    return registry.Image(**plain)


def platform(told: Args) -> Args:
    plain = {key.replace("-", "_"): value for key, value in told.items()}
    return {**plain, "layers": [registry.Layer(**layer) for layer in told.get("layers", [])]}


def push(a: Args) -> Json:
    pushed = registry.Repository(a["repository"]).push(image(a["image"]))
    return {"digest": pushed.digest, "sent": pushed.sent, "existed": pushed.existed, "mounted": pushed.mounted}


def mark(a: Args) -> Json:
    found = json.dumps(a["found"]) if a.get("found") is not None else None
    return json.loads(kubernetes.mark(found, a["object"]))


ACTIONS: dict[str, Callable[[Args], Json]] = {
    "echo": lambda a: a["value"],
    "length": lambda a: {"bytes": len(a["text"].encode()), "points": len(a["text"])},
    "repeat": lambda a: a["text"] * a["times"],
    "throw": throw,
    "raise": fail,
    "context": facts,
    "unfinished": lambda a: context.unfinished(),
    "setting": lambda a: context.setting(a["name"]),
    "log": write_log,
    "progress": lambda a: log.progress(a["what"], a["done"], a.get("total")),
    "print": lambda a: print(a["text"], flush=True),
    "checkpoint": lambda a: checkpoint(a["state"]),
    "write": lambda a: Path(a["path"]).write_text(a["text"]) and None,
    "read": lambda a: Path(a["path"]).read_text(),
    "list": lambda a: sorted(path.name for path in Path(a["path"]).iterdir()),
    "secret": lambda a: {"name": secrets.get(a["name"]).name},
    "reveal": lambda a: secrets.get(a["name"]).reveal(),
    "sign": lambda a: secrets.get(a["name"]).sign(a["text"].encode()).hex(),
    "http": lambda a: send(a, http.request(a["method"], a["url"])),
    "command": lambda a: {"code": command(a).run()},
    "spawn": spawn,
    "capture": lambda a: trees.capture(a["dir"]),
    "restore": lambda a: trees.restore(a["digest"], a["dir"]),
    "hosts": lambda a: [one.name for one in hosts.all()],
    "host-labels": lambda a: host(a).labels,
    "host-setting": lambda a: host(a).setting(a["name"]),
    "upload": lambda a: host(a).upload(a["digest"], a["path"]),
    "fetch": lambda a: host(a).fetch(a["path"], a.get("without", [])),
    "read-dir": lambda a: [entry(found) for found in host(a).read_dir(a["path"])],
    "stat": lambda a: entry(host(a).stat(a["path"])),
    "make-dir": lambda a: host(a).make_dir(a["path"]),
    "remove": lambda a: host(a).remove(a["path"]),
    "claim": lambda a: host(a).claim(a["dir"]),
    "disclaim": lambda a: host(a).disclaim(a["dir"]),
    "symlink": lambda a: host(a).symlink(a["target"], a["path"]),
    "rename": lambda a: host(a).rename(a["old"], a["new"]),
    "read-file": lambda a: host(a).read_file(a["path"]).decode(),
    "write-file": lambda a: host(a).write_file(a["path"], a["text"]),
    "round": perform_round,
    "kubernetes": lambda a: send(a, kubernetes.Namespace(a["context"], a["namespace"]).request(a["method"], a["path"])),
    "mark": mark,
    "image-digest": lambda a: image(a["image"]).digest(),
    "image-find": lambda a: registry.Repository(a["repository"]).find(a["name"]),
    "image-push": push,
    "image-tag": lambda a: registry.Repository(a["repository"]).tag(a["digest"], a["tag"], fixed=a.get("fixed", False)),
    "image-untag": lambda a: registry.Repository(a["repository"]).untag(a["tag"]),
}
