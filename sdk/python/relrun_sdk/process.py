"""Commands on the host machine. Each argument is checked against the grants; there is no shell."""

from __future__ import annotations

import dataclasses
from types import TracebackType
from typing import Self

from . import _guard, _host
from .secrets import Secret

_PIECE = 64 << 10


@dataclasses.dataclass(frozen=True)
class Output:
    """What a command left."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """The standard output as text; what is no UTF-8 is replaced."""
        return self.stdout.decode("utf-8", "replace")


class Child:
    """A command that runs. A context manager: leaving it ends its whole process tree."""

    def __init__(self, handle: _host.ChildHandle) -> None:
        self._handle = handle

    def read(self, max: int = _PIECE) -> bytes:
        """Returns the next bytes of the standard output, at most `max`; empty at the end."""
        return self._handle.read(False, max)

    def read_error(self, max: int = _PIECE) -> bytes:
        """Returns the next bytes of the standard error, at most `max`; empty at the end."""
        return self._handle.read(True, max)

    def wait(self) -> int:
        """Waits for its end; returns the exit code, or 128 plus the signal."""
        return self._handle.wait()

    def kill(self) -> None:
        """Ends its whole process tree."""
        self._handle.kill()

    def close(self) -> None:
        """Gives the handle back, which ends it. Twice does no harm."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Command:
    """A command being made. Each method returns the command, so that they can be chained."""

    def __init__(self, program: str, *args: str) -> None:
        self._line = _host.CommandLine(program, list(args))
        self._readonly = False

    def arg(self, *args: str) -> Self:
        """Adds arguments."""
        self._line.args.extend(args)
        return self

    def dir(self, path: str) -> Self:
        """Says where it starts, relative to `/work`."""
        self._line.dir = path
        return self

    def env(self, name: str, value: str) -> Self:
        """Sets a variable. The loader's and interpreters' own variables need a grant by name."""
        self._line.env.append((name, value))
        return self

    def secret_env(self, name: str, secret: Secret) -> Self:
        """Sets a variable to a secret that was granted to this command."""
        self._line.secret_env.append((name, secret._handle))
        return self

    def stdin(self, data: bytes | str) -> Self:
        """Gives it these bytes to read. Without, it reads nothing."""
        self._line.stdin = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        return self

    def on_host(self, host: str) -> Self:
        """Runs it on one of the environment's hosts instead."""
        self._line.on_host = host
        return self

    def readonly(self) -> Self:
        """Says that it changes nothing, so that it needs no checkpoint. `plan` and `verify` still need a `readonly` grant."""
        self._readonly = True
        return self

    def run(self) -> int:
        """Runs it to the end; its output goes to the log as it comes. Returns the exit code, or 128 plus the signal."""
        self._guard()
        return _host.current().run(self._line)

    def spawn(self) -> Child:
        """Starts it, for reading its output."""
        self._guard()
        return Child(_host.current().spawn(self._line))

    def output(self) -> Output:
        """Runs it to the end and returns what it wrote."""
        with self.spawn() as child:
            # One after the other is no deadlock: the host keeps what is not read yet.
            stdout, stderr = bytearray(), bytearray()
            while piece := child.read():
                stdout += piece
            while piece := child.read_error():
                stderr += piece
            return Output(child.wait(), bytes(stdout), bytes(stderr))

    def _guard(self) -> None:
        if not self._readonly:
            _guard.mutation()


def command(program: str, *args: str) -> Command:
    """Names a program, found on the host's fixed path, and its arguments."""
    return Command(program, *args)
