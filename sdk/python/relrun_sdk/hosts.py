"""Files on the environment's hosts. Paths are absolute on the host; what no `host` grant covers is denied."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, cast

from . import _guard, _host

FileType = Literal["file", "dir", "link", "other"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One name in a directory. A link is not followed; `target` is where it points, as written in it."""

    name: str
    file_type: FileType
    target: str | None = None


@dataclasses.dataclass(frozen=True, order=True)
class Host:
    """One of the environment's hosts, by its name; whether it is there shows at the first call."""

    name: str

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(_host.current().host_labels(self.name))

    def setting(self, name: str) -> str | None:
        """Returns what the environment sets for it under this name."""
        return _host.current().host_setting(self.name, name)

    def is_selected(self, selector: str) -> bool:
        """Returns whether it has the labels of a selector: `role=web,zone=a`; an empty one and `*` select every host."""
        wanted = [part.strip() for part in selector.split(",") if part.strip() not in ("", "*")]
        labels = self.labels if wanted else {}
        missing = [part for part in wanted if part not in {f"{key}={value}" for key, value in labels.items()}]
        return not missing

    def upload(self, digest: str, path: str) -> None:
        """Lays a tree into a new directory; what the host already has is not sent again. A half-made one is removed on failure."""
        _guard.mutation()
        _host.current().upload(self.name, digest, path)

    def fetch(self, path: str, without: Sequence[str] = ()) -> str:
        """Records a directory as a tree, and changes nothing there; returns its digest. What lies at the paths of `without` is left out."""
        return _host.current().fetch(self.name, path, list(without))

    def read_dir(self, path: str) -> list[Entry]:
        """Lists a directory, sorted by name."""
        return [_entry(found) for found in _host.current().read_dir(self.name, path)]

    def stat(self, path: str) -> Entry | None:
        """Returns what is at the path. A link is not followed."""
        found = _host.current().stat(self.name, path)
        return None if found is None else _entry(found)

    def make_dir(self, path: str) -> None:
        """Makes a directory and its parents; one that is there is no error."""
        _guard.mutation()
        _host.current().make_dir(self.name, path)

    def symlink(self, target: str, path: str) -> None:
        """Makes a link at `path`; fails where something is there."""
        _guard.mutation()
        _host.current().symlink(self.name, target, path)

    def rename(self, old: str, new: str) -> None:
        """Replaces what is at `new` in one step, or fails."""
        _guard.mutation()
        _host.current().rename(self.name, old, new)

    def read_file(self, path: str) -> bytes:
        """Returns a file's bytes, at most 16 MiB."""
        return _host.current().read_file(self.name, path)

    def write_file(self, path: str, data: bytes | str) -> None:
        """Writes a file in one step: a temporary name beside it, then a rename."""
        _guard.mutation()
        _host.current().write_file(self.name, path, data.encode("utf-8") if isinstance(data, str) else bytes(data))

    def remove(self, path: str) -> None:
        """Removes a file, a link, or a directory with all that is in it; what is not there is no error."""
        _guard.mutation()
        _host.current().remove(self.name, path)

    def claim(self, dir: str) -> None:
        """Puts this ledger's mark into a directory, before the first change to it.

        Another ledger's mark, or a newer fence, is `Denied` until the user says `--adopt`.
        """
        _guard.mutation()
        _host.current().claim(self.name, dir)

    def disclaim(self, dir: str) -> None:
        """Takes the mark away, last thing of a `destroy`."""
        _guard.mutation()
        _host.current().disclaim(self.name, dir)


def _entry(found: tuple[str, str, str | None]) -> Entry:
    return Entry(found[0], cast(FileType, found[1]), found[2])


def all() -> list[Host]:
    """Returns the hosts of the environment that the grants name, in the manifest's order."""
    return [Host(name) for name in _host.current().host_names()]


def selected(selector: str) -> list[Host]:
    """Returns the hosts that have the labels of a selector: `role=web,zone=a`; an empty one and `*` select all of them."""
    return [host for host in all() if host.is_selected(selector)]
