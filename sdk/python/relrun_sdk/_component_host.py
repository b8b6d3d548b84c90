"""The host of a component: its imports. Only here and in `component` stand the names that the bindings generate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

from componentize_py_types import Err
from wit_world.imports import (
    checkpoint,
    context,
    hosts,
    http,
    kubernetes,
    log,
    process,
    registry,
    rounds,
    secrets,
    trees,
    types,
)

from ._host import CommandLine, Deed, HttpRequest
from .errors import Cancelled, Denied, Error, Invalid, Missing, Other, Permanent, TimedOut, Transient

P = ParamSpec("P")
T = TypeVar("T")

_LEVELS = {level.name.lower(): level for level in log.Level}
_FILE_TYPES = {kind: kind.name.lower() for kind in hosts.FileType}
_ERRORS: tuple[tuple[Any, type[Error]], ...] = (
    (types.Error_Invalid, Invalid),
    (types.Error_Denied, Denied),
    (types.Error_Missing, Missing),
    (types.Error_TimedOut, TimedOut),
    (types.Error_Transient, Transient),
    (types.Error_Permanent, Permanent),
    (types.Error_Other, Other),
)


def error_from(case: Any) -> Error:
    """Returns the exception of an error case."""
    for known, error in _ERRORS:
        if isinstance(case, known):
            return error(case.value)
    return Cancelled()


def error_to(error: Error) -> Any:
    """Returns the error case of an exception."""
    for case, known in _ERRORS:
        if isinstance(error, known):
            return case(clean(error.message))
    return types.Error_Cancelled() if isinstance(error, Cancelled) else types.Error_Other(clean(error.message))


def clean(text: object) -> str:
    """Returns a text without what no WIT string can hold: a lone surrogate would be a trap."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _text(text: str) -> str:
    """Returns a text that is handed to the host; one that cannot be is refused before it becomes a trap."""
    if not isinstance(text, str):
        raise Invalid(f"expected a text, found {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Invalid(f"a text that is no Unicode: {error}") from None
    return text


def _pairs(given: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(_text(name), _text(value)) for name, value in given]


def _ask(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls the host; its error becomes one of ours, with nothing wrapped round it."""
    try:
        return call(*args, **kwargs)
    except Err as failed:
        error = error_from(failed.value)
    raise error


class _Handle:
    """A handle that is given back once, at the latest when it is collected."""

    def __init__(self, resource: AbstractContextManager[Any]) -> None:
        self.resource: Any = resource
        self._open = True

    def close(self) -> None:
        if self._open:
            self._open = False
            self.resource.__exit__(None, None, None)

    def here(self) -> Any:
        if not self._open:
            raise Permanent("a handle is used after it was closed")
        return self.resource


class ComponentSecret(_Handle):
    """A secret's handle."""

    def name(self) -> str:
        return str(self.here().name())

    def reveal(self) -> str:
        return str(_ask(self.here().reveal))

    def sign(self, data: bytes) -> bytes:
        return bytes(_ask(self.here().sign, data))


class ComponentResponse(_Handle):
    """An answer's handle."""

    def status(self) -> int:
        return int(self.here().status())

    def headers(self) -> list[tuple[str, str]]:
        return list(self.here().headers())

    def read(self, max: int) -> bytes:
        return bytes(_ask(self.here().read, max))

    def save(self, path: str) -> int:
        return int(_ask(self.here().save, _text(path)))


class ComponentChild(_Handle):
    """A running command's handle."""

    def read(self, stderr: bool, max: int) -> bytes:
        which = process.Output.STDERR if stderr else process.Output.STDOUT
        return bytes(_ask(self.here().read, which, max))

    def wait(self) -> int:
        return int(_ask(self.here().wait))

    def kill(self) -> None:
        self.here().kill()


def _made(line: CommandLine) -> process.Command:
    command = process.Command(_text(line.program), [_text(arg) for arg in line.args])
    if line.dir is not None:
        command.dir(_text(line.dir))
    for name, value in _pairs(line.env):
        command.env(name, value)
    for name, secret in line.secret_env:
        command.secret_env(_text(name), _resource(secret))
    if line.stdin is not None:
        command.stdin(line.stdin)
    if line.on_host is not None:
        command.on_host(_text(line.on_host))
    return command


def _resource(secret: object) -> Any:
    if isinstance(secret, ComponentSecret):
        return secret.here()
    raise Invalid("that is no secret of this host")


class ComponentHost:
    """The imports of the component."""

    def dirs(self) -> str:
        return ""

    def log(self, level: str, message: str) -> None:
        log.write(_LEVELS[level], clean(message))

    def progress(self, what: str, done: int, total: int | None) -> None:
        log.progress(clean(what), done, total)

    def save_checkpoint(self, state: str) -> None:
        _ask(checkpoint.save, _text(state))

    def context(self, name: str) -> str:
        return str(getattr(context, name)())

    def optional_context(self, name: str) -> str | None:
        found: str | None = getattr(context, name)()
        return found

    def number(self, name: str) -> int:
        return int(getattr(context, name)())

    def labels(self) -> list[tuple[str, str]]:
        return list(context.labels())

    def setting(self, name: str) -> str | None:
        return context.setting(_text(name))

    def secret(self, name: str) -> ComponentSecret:
        return ComponentSecret(_ask(secrets.get, _text(name)))

    def send(self, request: HttpRequest) -> ComponentResponse:
        with self._request(request) as made:
            for name, value in _pairs(request.headers):
                made.header(name, value)
            for name, prefix, secret in request.secret_headers:
                made.secret_header(_text(name), _text(prefix), _resource(secret))
            if request.basic_auth is not None:
                user, password = request.basic_auth
                made.basic_auth(_text(user), _resource(password))
            if request.body is not None:
                made.body(request.body)
            if request.body_file is not None:
                made.body_file(_text(request.body_file))
            if request.timeout_ms is not None:
                made.timeout(request.timeout_ms)
            return ComponentResponse(_ask(made.send))

    def _request(self, request: HttpRequest) -> http.Request:
        if request.cluster is None:
            return http.Request(_text(request.method), _text(request.url))
        cluster, namespace = request.cluster
        return _ask(kubernetes.start, _text(cluster), _text(namespace), _text(request.method), _text(request.url))

    def run(self, command: CommandLine) -> int:
        with _made(command) as made:
            return _ask(made.run)

    def spawn(self, command: CommandLine) -> ComponentChild:
        with _made(command) as made:
            return ComponentChild(_ask(made.spawn))

    def capture(self, dir: str) -> str:
        return _ask(trees.capture, _text(dir))

    def restore(self, digest: str, dir: str) -> None:
        _ask(trees.restore, _text(digest), _text(dir))

    def host_names(self) -> list[str]:
        return list(hosts.names())

    def host_labels(self, host: str) -> list[tuple[str, str]]:
        return list(hosts.labels_of(_text(host)))

    def host_setting(self, host: str, name: str) -> str | None:
        return hosts.setting_of(_text(host), _text(name))

    def upload(self, host: str, digest: str, path: str) -> None:
        _ask(hosts.upload, _text(host), _text(digest), _text(path))

    def fetch(self, host: str, path: str, without: list[str]) -> str:
        return _ask(hosts.fetch, _text(host), _text(path), [_text(one) for one in without])

    def read_dir(self, host: str, path: str) -> list[tuple[str, str, str | None]]:
        return [_entry(entry) for entry in _ask(hosts.read_dir, _text(host), _text(path))]

    def stat(self, host: str, path: str) -> tuple[str, str, str | None] | None:
        found = _ask(hosts.stat, _text(host), _text(path))
        return None if found is None else _entry(found)

    def make_dir(self, host: str, path: str) -> None:
        _ask(hosts.make_dir, _text(host), _text(path))

    def symlink(self, host: str, target: str, path: str) -> None:
        _ask(hosts.symlink, _text(host), _text(target), _text(path))

    def rename(self, host: str, old: str, new: str) -> None:
        _ask(hosts.rename, _text(host), _text(old), _text(new))

    def read_file(self, host: str, path: str) -> bytes:
        return _ask(hosts.read_file, _text(host), _text(path))

    def write_file(self, host: str, path: str, data: bytes) -> None:
        _ask(hosts.write_file, _text(host), _text(path), data)

    def remove(self, host: str, path: str) -> None:
        _ask(hosts.remove, _text(host), _text(path))

    def claim(self, host: str, dir: str) -> None:
        _ask(hosts.claim, _text(host), _text(dir))

    def disclaim(self, host: str, dir: str) -> None:
        _ask(hosts.disclaim, _text(host), _text(dir))

    def perform(self, parallel: int, deeds: list[Deed]) -> list[tuple[str, Exception | None]]:
        with rounds.Round(parallel) as made:
            for deed in deeds:
                args = [_text(arg) if isinstance(arg, str) else arg for arg in deed.args]
                if deed.name == "run":
                    with _made(deed.args[0]) as command:
                        made.run(_text(deed.host), command)
                else:
                    getattr(made, deed.name)(_text(deed.host), *args)
            came = _ask(made.perform)
        return [(host, error_from(result.value) if isinstance(result, Err) else None) for host, result in came]

    def mark(self, found: str | None, object: str) -> str:
        return _ask(kubernetes.mark, None if found is None else _text(found), _text(object))

    def image_digest(self, image: str) -> str:
        return _ask(registry.digest, _text(image))

    def image_find(self, repository: str, name: str) -> str | None:
        return _ask(registry.find, _text(repository), _text(name))

    def image_push(self, repository: str, image: str) -> str:
        return _ask(registry.push, _text(repository), _text(image))

    def image_tag(self, repository: str, digest: str, tag: str, fixed: bool) -> None:
        _ask(registry.tag, _text(repository), _text(digest), _text(tag), fixed)

    def image_untag(self, repository: str, tag: str) -> None:
        _ask(registry.untag, _text(repository), _text(tag))


def _entry(entry: hosts.Entry) -> tuple[str, str, str | None]:
    return entry.name, _FILE_TYPES[entry.file_type], entry.target
