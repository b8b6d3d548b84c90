"""Work on several hosts at once: what is queued for a host is done in order, and the hosts' parts are done side by side."""

from __future__ import annotations

from typing import Any, Self

from . import _guard, _host, errors
from .hosts import Host
from .process import Command


class Round:
    """What is to be done on some hosts. A host's part ends with the first thing that fails; those of the others go on.

    At most `parallel` hosts are worked on at once; 0 leaves it to relrun.
    """

    def __init__(self, parallel: int = 0) -> None:
        self._parallel = parallel
        self._deeds: list[_host.Deed] = []
        self._changes = False

    def _add(self, host: Host, name: str, *args: Any, changes: bool = True) -> Self:
        self._deeds.append(_host.Deed(host.name, name, args))
        self._changes |= changes
        return self

    def claim(self, host: Host, dir: str) -> Self:
        """See `Host.claim`."""
        return self._add(host, "claim", dir)

    def disclaim(self, host: Host, dir: str) -> Self:
        """See `Host.disclaim`."""
        return self._add(host, "disclaim", dir)

    def make_dir(self, host: Host, path: str) -> Self:
        """See `Host.make_dir`."""
        return self._add(host, "make_dir", path)

    def upload(self, host: Host, digest: str, path: str) -> Self:
        """See `Host.upload`."""
        return self._add(host, "upload", digest, path)

    def symlink(self, host: Host, target: str, path: str) -> Self:
        """See `Host.symlink`."""
        return self._add(host, "symlink", target, path)

    def rename(self, host: Host, old: str, new: str) -> Self:
        """See `Host.rename`."""
        return self._add(host, "rename", old, new)

    def write_file(self, host: Host, path: str, data: bytes | str) -> Self:
        """See `Host.write_file`."""
        return self._add(host, "write_file", path, data.encode("utf-8") if isinstance(data, str) else bytes(data))

    def remove(self, host: Host, path: str) -> Self:
        """See `Host.remove`."""
        return self._add(host, "remove", path)

    def run(self, host: Host, command: Command) -> Self:
        """Runs the command on the host; another exit code than 0 is an error."""
        return self._add(host, "run", command._line, changes=not command._readonly)

    def perform(self) -> list[tuple[Host, errors.Error | None]]:
        """Does all of it, and empties the round. Returns each host's error or None, in the order in which the hosts were first named."""
        deeds, self._deeds = self._deeds, []
        if not deeds:
            return []
        if self._changes:
            _guard.mutation()
        came = _host.current().perform(self._parallel, deeds)
        return [(Host(host), None if error is None else errors.of(error)) for host, error in came]

    def perform_all(self) -> None:
        """Does all of it; raises an error of the first failed part's kind, which names every host that failed, and why."""
        failed = [error.context(host.name) for host, error in self.perform() if error is not None]
        if failed:
            raise errors.named(failed[0].kind, "; ".join(error.message for error in failed))
