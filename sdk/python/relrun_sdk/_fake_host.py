"""The host of a test: everything in memory, each call recorded. It keeps to the plugin world's words, not to the host's gates."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
import weakref
from collections import deque
from pathlib import Path
from typing import Any

from ._fake_files import Entry, Files
from ._host import CommandLine, Deed, HttpRequest, SecretHandle
from .errors import Cancelled, Denied, Error, Missing, Permanent, Transient


@dataclasses.dataclass
class Scripted:
    """A scripted answer to an HTTP request."""

    status: int
    body: bytes
    headers: list[tuple[str, str]]


@dataclasses.dataclass
class Ended:
    """How a command ends."""

    code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


@dataclasses.dataclass(eq=False)
class Fault:
    """A call that fails, after so many like it went well."""

    begin: str
    error: Error
    after: int


class FakeSecret:
    """A secret of the fake."""

    def __init__(self, host: FakeHost, name: str) -> None:
        self._host = host
        self._name = name

    def name(self) -> str:
        return self._name

    def reveal(self) -> str:
        return self._host.secrets[self._name]

    def sign(self, data: bytes) -> bytes:
        """No HMAC: bytes that show what was signed, which is what a test wants to see."""
        self._host.call(f"sign {self._name} {data.decode('utf-8', 'replace')}")
        return self._name.encode() + b":" + data

    def close(self) -> None:
        pass


class FakeResponse:
    """An answer of the fake."""

    def __init__(self, answer: Scripted) -> None:
        self._answer = answer
        self._rest = answer.body

    def status(self) -> int:
        return self._answer.status

    def headers(self) -> list[tuple[str, str]]:
        return self._answer.headers

    def read(self, max: int) -> bytes:
        piece, self._rest = self._rest[:max], self._rest[max:]
        return piece

    def save(self, path: str) -> int:
        return Path(path).write_bytes(self.read(len(self._rest)))

    def close(self) -> None:
        pass


class FakeChild:
    """A command of the fake, which ended at once."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended
        self._rest = {False: ended.stdout, True: ended.stderr}

    def read(self, stderr: bool, max: int) -> bytes:
        piece, self._rest[stderr] = self._rest[stderr][:max], self._rest[stderr][max:]
        return piece

    def wait(self) -> int:
        return self._ended.code

    def kill(self) -> None:
        self._ended = Ended(code=137)

    def close(self) -> None:
        pass


class FakeHost:
    """What the fake holds, and the host's functions on it."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="relrun-fake-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.hosts: dict[str, Files] = {}
        self.host_label: dict[str, dict[str, str]] = {}
        self.host_set: dict[tuple[str, str], str] = {}
        self.trees: dict[str, dict[str, bytes]] = {}
        self.marks: dict[tuple[str, str], str] = {}
        self.secrets: dict[str, str] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.answers: deque[Scripted] = deque()
        self.ends: dict[tuple[str, ...], Ended] = {}
        self.checkpoints: list[Any] = []
        self.lines: list[str] = []
        self.calls: list[str] = []
        self.faults: list[Fault] = []
        self.crash_after: int | None = None
        self.changes = 0
        self.label: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self.facts: dict[str, str | int | None] = {
            "package_name": "acme/shop",
            "version": "1.0.0",
            "release": "r1",
            "step": "step",
            "attempt": 1,
            "idempotency_key": "0" * 64,
            "environment": "test",
            "deployment": "shop",
            "previous": None,
            "unfinished": None,
            "started_at": 1_700_000_000,
        }
        for name in ("in", "out", "tmp"):
            Path(self.dirs(), name).mkdir()

    def call(self, call: str) -> None:
        """Notes a call, and fails it where the test says so."""
        self.calls.append(call)
        for fault in [fault for fault in self.faults if call.startswith(fault.begin)]:
            if fault.after == 0:
                self.faults.remove(fault)
                raise fault.error
            fault.after -= 1

    def change(self, call: str) -> None:
        """Notes a call that changes something. After a crash nothing changes any more."""
        if self._is_crashed():
            raise Cancelled("crashed")
        self.changes += 1
        self.call(call)

    def _is_crashed(self) -> bool:
        return self.crash_after is not None and self.changes >= self.crash_after

    def files(self, host: str) -> Files:
        if host not in self.hosts:
            raise Missing(f"there is no host {host!r}")
        return self.hosts[host]

    def dirs(self) -> str:
        return self._folder

    def log(self, level: str, message: str) -> None:
        self.lines.append(f"{level}: {message}")

    def progress(self, what: str, done: int, total: int | None) -> None:
        self.lines.append(f"progress: {what} {done}" + ("" if total is None else f"/{total}"))

    def save_checkpoint(self, state: str) -> None:
        if not self._is_crashed():
            self.checkpoints.append(json.loads(state))

    def context(self, name: str) -> str:
        return str(self.facts[name])

    def optional_context(self, name: str) -> str | None:
        fact = self.facts[name]
        return None if fact is None else str(fact)

    def number(self, name: str) -> int:
        return int(self.facts[name] or 0)

    def labels(self) -> list[tuple[str, str]]:
        return list(self.label.items())

    def setting(self, name: str) -> str | None:
        return self.settings.get(name)

    def secret(self, name: str) -> SecretHandle:
        if name not in self.secrets:
            raise Denied(f"no grant covers the secret {name!r}")
        return FakeSecret(self, name)

    def send(self, request: HttpRequest) -> FakeResponse:
        self.call(_shown_request(request))
        if not self.answers:
            raise Transient("connection refused")
        return FakeResponse(self.answers.popleft())

    def run(self, command: CommandLine) -> int:
        return self.spawn(command).wait()

    def spawn(self, command: CommandLine) -> FakeChild:
        self.change(_shown_command(command))
        return FakeChild(dataclasses.replace(self.ends.get((command.program, *command.args), Ended())))

    def capture(self, dir: str) -> str:
        self.call(f"capture {dir}")
        root = Path(dir)
        files = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        return self.keep(files)

    def keep(self, files: dict[str, bytes]) -> str:
        """Keeps a tree, and returns a digest that only these files have."""
        digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
        self.trees[digest] = files
        return digest

    def restore(self, digest: str, dir: str) -> None:
        self.call(f"restore {digest} {dir}")
        for name, data in self._tree(digest).items():
            path = Path(dir, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def _tree(self, digest: str) -> dict[str, bytes]:
        if digest not in self.trees:
            raise Missing(f"there is no tree {digest}")
        return self.trees[digest]

    def host_names(self) -> list[str]:
        return list(self.hosts)

    def host_labels(self, host: str) -> list[tuple[str, str]]:
        return list(self.host_label.get(host, {}).items())

    def host_setting(self, host: str, name: str) -> str | None:
        return self.host_set.get((host, name))

    def upload(self, host: str, digest: str, path: str) -> None:
        self.change(f"upload {host} {path}")
        tree, files = self._tree(digest), self.files(host)
        if files.stat(path) is not None:
            raise Permanent(f"{path}: something is there")
        files.make_dir(path)
        for name, data in tree.items():
            files.make_dir(f"{path}/{name}".rsplit("/", 1)[0])
            files.put(f"{path}/{name}", data)

    def fetch(self, host: str, path: str, without: list[str]) -> str:
        found = self.files(host).files_of(path)
        return self.keep({name: data for name, data in found.items() if not any(f"{name}/".startswith(f"{out}/") for out in without)})

    def read_dir(self, host: str, path: str) -> list[Entry]:
        return self.files(host).list(path)

    def stat(self, host: str, path: str) -> Entry | None:
        return self.files(host).stat(path)

    def make_dir(self, host: str, path: str) -> None:
        self.change(f"make-dir {host} {path}")
        self.files(host).make_dir(path)

    def symlink(self, host: str, target: str, path: str) -> None:
        self.change(f"symlink {host} {path} -> {target}")
        self.files(host).symlink(target, path)

    def rename(self, host: str, old: str, new: str) -> None:
        self.change(f"rename {host} {new}")
        self.files(host).rename(old, new)

    def read_file(self, host: str, path: str) -> bytes:
        return self.files(host).read(path)

    def write_file(self, host: str, path: str, data: bytes) -> None:
        self.change(f"write-file {host} {path}")
        self.files(host).put(path, data)

    def remove(self, host: str, path: str) -> None:
        self.change(f"remove {host} {path}")
        self.files(host).remove(path)

    def claim(self, host: str, dir: str) -> None:
        self.change(f"claim {host} {dir}")
        mark = self.marks.get((host, dir), "")
        if mark.startswith("stranger"):
            raise Denied(f"{dir} on {host} belongs to {mark}")
        self.marks[host, dir] = self.context("release")

    def disclaim(self, host: str, dir: str) -> None:
        self.change(f"disclaim {host} {dir}")
        self.marks.pop((host, dir), None)

    def perform(self, parallel: int, deeds: list[Deed]) -> list[tuple[str, Exception | None]]:
        """One host after the other, so that a test knows what comes when."""
        came: dict[str, Exception | None] = {}
        for host in dict.fromkeys(deed.host for deed in deeds):
            came[host] = None
            try:
                for deed in deeds:
                    if deed.host == host:
                        self._do(deed)
            except Error as error:
                came[host] = error
        return list(came.items())

    def _do(self, deed: Deed) -> None:
        if deed.name != "run":
            getattr(self, deed.name)(deed.host, *deed.args)
            return
        line: CommandLine = dataclasses.replace(deed.args[0], on_host=deed.host)
        code = self.run(line)
        if code != 0:
            raise Permanent(f"`{' '.join([line.program, *line.args])}` ended with exit code {code}")

    def mark(self, found: str | None, object: str) -> str:
        if found is not None and found.startswith("stranger"):
            raise Denied(f"{object} belongs to {found}")
        return self.context("release")

    def image_digest(self, image: str) -> str:
        """Images are named by what they are told as: the same words give the same digest."""
        return f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"

    def image_find(self, repository: str, name: str) -> str | None:
        self.call(f"find {repository} {name}")
        return self.tags.get((repository, name))

    def image_push(self, repository: str, image: str) -> str:
        digest = self.image_digest(image)
        self.change(f"push {repository} {digest}")
        existed = int((repository, digest) in self.tags)
        self.tags[repository, digest] = digest
        return json.dumps({"digest": digest, "sent": 1 - existed, "existed": existed, "mounted": 0})

    def image_tag(self, repository: str, digest: str, tag: str, fixed: bool) -> None:
        self.change(f"tag {repository} {tag} {digest}")
        if fixed and self.tags.get((repository, tag), digest) != digest:
            raise Permanent(f"{tag} exists with another content")
        self.tags[repository, tag] = digest

    def image_untag(self, repository: str, tag: str) -> None:
        self.change(f"untag {repository} {tag}")
        self.tags.pop((repository, tag), None)


def _shown_request(request: HttpRequest) -> str:
    """Returns a request as the record of calls shows it; of a secret only its name."""
    words = [request.method, request.url]
    words += [f"{name}: {value}" for name, value in request.headers]
    words += [f"{name}: {prefix}<{secret.name()}>" for name, prefix, secret in request.secret_headers]
    if request.basic_auth is not None:
        words.append(f"basic {request.basic_auth[0]}:<{request.basic_auth[1].name()}>")
    if request.body is not None:
        words.append(request.body.decode("utf-8", "replace"))
    if request.body_file is not None:
        words.append(f"file {request.body_file}")
    return " ".join(words)


def _shown_command(line: CommandLine) -> str:
    """Returns a command as the record of calls shows it; of a secret only its name."""
    place = "" if line.on_host is None else f"{line.on_host}: "
    return " ".join([f"run {place}{line.program}", *line.args, *(f"{name}=<{secret.name()}>" for name, secret in line.secret_env)])
