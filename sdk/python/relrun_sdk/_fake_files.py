"""A host's file system in memory, with the rules of `hosts` in the plugin world."""

from __future__ import annotations

import posixpath

from .errors import Missing, Permanent

MAX_LINKS = 16

#: None is a directory, bytes are a file, a text is a link.
Node = bytes | str | None
Entry = tuple[str, str, str | None]


class Files:
    """One host's files, by absolute path without a final slash."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {"/": None}

    def stat(self, path: str) -> Entry | None:
        real = self._real(path)
        return _entry(real, self._nodes[real]) if real in self._nodes else None

    def read(self, path: str) -> bytes:
        node = self._at(self._followed(_normal(path), MAX_LINKS), path)
        if isinstance(node, bytes):
            return node
        raise Permanent(f"{path} is no file")

    def list(self, path: str) -> list[Entry]:
        dir = self._followed(_normal(path), MAX_LINKS)
        if self._at(dir, path) is not None:
            raise Permanent(f"{path} is no directory")
        return sorted(_entry(at, node) for at, node in self._nodes.items() if at != "/" and posixpath.dirname(at) == dir)

    def files_of(self, path: str) -> dict[str, bytes]:
        """Returns the files below a directory, by their paths in it."""
        dir = self._followed(_normal(path), MAX_LINKS)
        below = {posixpath.relpath(at, dir): node for at, node in self._nodes.items() if _is_below(at, dir)}
        return {at: node for at, node in sorted(below.items()) if isinstance(node, bytes)}

    def make_dir(self, path: str) -> None:
        made = "/"
        for name in self._real(path).strip("/").split("/"):
            made = posixpath.join(made, name)
            if self._nodes.setdefault(made, None) is not None:
                raise Permanent(f"{made} is no directory")

    def put(self, path: str, node: Node) -> None:
        """Puts a file or a link where no directory is; its directory must be there."""
        self._nodes[self._vacant_or_file(path)] = node

    def symlink(self, target: str, path: str) -> None:
        if self.stat(path) is not None:
            raise Permanent(f"{path}: something is there")
        self.put(path, target)

    def rename(self, old: str, new: str) -> None:
        source = self._real(old)
        node = self._at(source, old)
        target = self._vacant_or_file(new)
        moved = {target + at[len(source) :]: self._nodes[at] for at in list(self._nodes) if _is_below(at, source)}
        self.remove(old)
        self._nodes.update({target: node, **moved})

    def remove(self, path: str) -> None:
        real = self._real(path)
        for at in [at for at in self._nodes if at == real or _is_below(at, real)]:
            del self._nodes[at]

    def _at(self, real: str, shown: str) -> Node:
        if real not in self._nodes:
            raise Missing(f"{shown} is not there")
        return self._nodes[real]

    def _real(self, path: str) -> str:
        """Returns the path with every link but the last part's followed."""
        normal = _normal(path)
        if normal == "/":
            return normal
        parent, name = posixpath.split(normal)
        return posixpath.join(self._followed(parent, MAX_LINKS), name)

    def _followed(self, path: str, left: int) -> str:
        if path == "/":
            return path
        if left == 0:
            raise Permanent(f"{path}: too many links")
        parent, name = posixpath.split(path)
        parent = self._followed(parent, left)
        here = posixpath.join(parent, name)
        node = self._nodes.get(here)
        return self._followed(_normal(posixpath.join(parent, node)), left - 1) if isinstance(node, str) else here

    def _vacant_or_file(self, path: str) -> str:
        real = self._real(path)
        parent = posixpath.dirname(real)
        if self._nodes.get(parent, b"") is not None:
            raise Missing(f"{parent} is not there")
        if self._nodes.get(real, b"") is None:
            raise Permanent(f"{path} is a directory")
        return real


def _normal(path: str) -> str:
    if not path.startswith("/"):
        raise Permanent(f"{path} is no absolute path")
    return posixpath.normpath(path).replace("//", "/")


def _is_below(path: str, dir: str) -> bool:
    return path != dir and path.startswith(dir if dir == "/" else f"{dir}/")


def _entry(path: str, node: Node) -> Entry:
    kind = "dir" if node is None else "file" if isinstance(node, bytes) else "link"
    return posixpath.basename(path), kind, node if isinstance(node, str) else None
