"""What a config needs, in the manifest's own words: the host compares it with what the manifest grants."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from .errors import Invalid


@dataclasses.dataclass(frozen=True)
class Need:
    """One capability, and why it is needed."""

    capability: str
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What one config needs. Made with `pure` or `effect`."""

    is_effect: bool
    idempotent: bool
    requests: tuple[Need, ...] = ()

    def capabilities(self) -> list[str]:
        """Returns what is asked for, each as the manifest would write it."""
        return [need.capability for need in self.requests]


def pure(*requests: Need) -> Needs:
    """Depends on config, staged inputs and granted values alone: served from the cache."""
    return Needs(False, True, _once(requests))


def effect(*requests: Need, idempotent: bool = False) -> Needs:
    """Changes something outside: recorded, never served from the cache.

    `idempotent` says that a second `apply` with the same idempotency key does no harm. Only such a step is run again when a crash left it
    in doubt.
    """
    return Needs(True, idempotent, _once(requests))


def _once(requests: Iterable[Need]) -> tuple[Need, ...]:
    known: dict[str, Need] = {}
    for need in requests:
        known.setdefault(need.capability, need)
    return tuple(known.values())


def run(
    *argv: str,
    because: str = "",
    network: bool = False,
    readonly: bool = False,
    in_place: bool = False,
    unconfined: bool = False,
    on: str = "",
) -> Need:
    """Asks to run a command: the program, then each argument; `*` stands for one argument and `**` for any number.

    `on` is for those of the environment's hosts whose names match, in place of this machine. `readonly` says that it changes nothing, so
    that `plan` and `verify` may run it.
    """
    if not argv:
        raise Invalid("a command names no program")
    flags = {"in-place": in_place, "readonly": readonly, "network": network}
    place = [f"on={_quoted(on)}"] if on else []
    words = ["run", *map(_quoted, argv), *place, *(f"{name}=#true" for name, value in flags.items() if value)]
    if unconfined:
        words.append('confine="none"')
    return Need(" ".join(words), because)


def http(origin: str, *, methods: Sequence[str] = (), private: bool = False, because: str = "") -> Need:
    """Asks for HTTP with an origin, `https://api.example.com`. Without `methods`, GET and HEAD.

    `private` says that the origin may be a loopback, private or link-local address.
    """
    words = ["http", _quoted(origin)]
    if methods:
        words.append(f"methods={_quoted(' '.join(methods))}")
    if private:
        words.append("private=#true")
    return Need(" ".join(words), because)


def secret(
    name: str, *, to: str = "", to_command: str = "", env: str = "", sign: bool = False, reveal: bool = False, because: str = ""
) -> Need:
    """Asks for a secret of the manifest: `to` an origin, or `to_command` a program, or one of the others.

    A program gets it in its variable `env`, or else on its standard input. `sign` is for `Secret.sign`, `reveal` for its text. A second
    target is a second need.
    """
    properties = {"to": to, "to-command": to_command, "env": env}
    words = ["secret", _quoted(name), *(f"{key}={_quoted(value)}" for key, value in properties.items() if value)]
    words += [f"{flag}=#true" for flag, value in (("sign", sign), ("reveal", reveal)) if value]
    return Need(" ".join(words), because)


def host(pattern: str = "*", *, because: str = "") -> Need:
    """Asks for the environment's hosts; `*` matches any run of characters."""
    return Need(f"host {_quoted(pattern)}", because)


def kubernetes(context: str, namespace: str, *, because: str = "") -> Need:
    """Asks for one namespace of a cluster."""
    return Need(f"kubernetes context={_quoted(context)} namespace={_quoted(namespace)}", because)


def registry(repository: str, *, because: str = "") -> Need:
    """Asks for one repository of a registry: `registry.example.com/acme/shop`."""
    return Need(f"registry {_quoted(repository)}", because)


def read(path: str, *, because: str = "") -> Need:
    """Asks for a directory, read-only."""
    return Need(f"read {_quoted(path)}", because)


def write(path: str, *, because: str = "") -> Need:
    """Asks for a directory, read and write."""
    return Need(f"write {_quoted(path)}", because)


def env(name: str, *, because: str = "") -> Need:
    """Asks for an environment variable by its name."""
    return Need(f"env {_quoted(name)}", because)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quoted(text: str) -> str:
    """Returns a text as KDL writes it."""
    return (
        '"' + "".join(_ESCAPES.get(char) or (char if char.isprintable() or char == " " else f"\\u{{{ord(char):x}}}") for char in text) + '"'
    )
