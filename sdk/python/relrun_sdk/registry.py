"""One repository of an OCI registry. The host makes the images of trees, holds the credentials, and sends what is not there yet."""

from __future__ import annotations

import dataclasses
import json

from . import _guard, _host
from ._schema import text_of


@dataclasses.dataclass(kw_only=True)
class Layer:
    """A layer: a tree's digest, and where it goes in the image; of a tree that is one file, the file's path."""

    tree: str
    to: str = ""


@dataclasses.dataclass(kw_only=True)
class Platform:
    """The image of one platform, such as `linux/amd64`; the lowest layer first. `created` is like `2026-11-21T12:00:00Z`."""

    platform: str
    layers: list[Layer]
    entrypoint: list[str] = dataclasses.field(default_factory=list)
    cmd: list[str] = dataclasses.field(default_factory=list)
    env: list[str] = dataclasses.field(default_factory=list)
    user: str | None = None
    working_dir: str | None = None
    ports: list[str] = dataclasses.field(default_factory=list)
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    created: str | None = None


@dataclasses.dataclass(kw_only=True)
class Image:
    """What an image is: made of layers, or `layout`, the digest of a tree that is an OCI image layout, with the `name` in it that is meant.

    `mount_from` is another granted repository of the same registry that may have the layers.
    """

    images: list[Platform] = dataclasses.field(default_factory=list)
    layout: str | None = None
    name: str | None = None
    annotations: dict[str, str] = dataclasses.field(default_factory=dict)
    mount_from: str | None = None

    def digest(self) -> str:
        """Makes the image, and returns its digest; nothing is sent. The same trees and the same words give the same digest."""
        return _host.current().image_digest(_told(self))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pushed:
    """How an image got there: how many layers and configs were sent, were there, or were taken from another repository."""

    digest: str
    sent: int
    existed: int
    mounted: int


@dataclasses.dataclass(frozen=True)
class Repository:
    """A repository, `registry.example.com/acme/shop`. It is reached only where a grant names it."""

    name: str

    def find(self, name: str) -> str | None:
        """Returns the digest that a tag or a digest stands for; None where it is not there."""
        return _host.current().image_find(self.name, name)

    def push(self, image: Image) -> Pushed:
        """Sends an image by its digest alone; what is there is not sent again."""
        _guard.mutation()
        told = json.loads(_host.current().image_push(self.name, _told(image)))
        return Pushed(**{field.name: told[field.name] for field in dataclasses.fields(Pushed)})

    def tag(self, digest: str, tag: str, *, fixed: bool = False) -> None:
        """Points a tag at a digest that is there. One that is `fixed` is never taken from another digest."""
        _guard.mutation()
        _host.current().image_tag(self.name, digest, tag, fixed)

    def untag(self, tag: str) -> None:
        """Takes a tag away; what it stood for stays. `Other` where the registry cannot do that."""
        _guard.mutation()
        _host.current().image_untag(self.name, tag)


def _told(image: Image) -> str:
    """Returns an image as the host is told of it; what is empty is not said."""
    told = dataclasses.asdict(image, dict_factory=lambda fields: {key.replace("_", "-"): value for key, value in fields if value})
    return text_of(told, "the image")
