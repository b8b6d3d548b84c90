"""Which release this is. A pure step gets empty answers and an attempt of 1."""

from __future__ import annotations

import json
from typing import Any

from . import _host


def package() -> str:
    """Returns the package, `owner/name`."""
    return _host.current().context("package_name")


def version() -> str:
    """Returns the package's version, or its rule where none is claimed yet."""
    return _host.current().context("version")


def release() -> str:
    """Returns the release's id, `r7`."""
    return _host.current().context("release")


def step() -> str:
    """Returns the step's name."""
    return _host.current().context("step")


def attempt() -> int:
    """Returns the attempt, counted from 1."""
    return _host.current().number("attempt")


def idempotency_key() -> str:
    """Returns the key that is stable over all retries of one step in one release: 64 hexadecimal digits."""
    return _host.current().context("idempotency_key")


def environment() -> str | None:
    """Returns the environment's name, where the step is bound to one."""
    return _host.current().optional_context("environment")


def deployment() -> str | None:
    """Returns the deployment's name; by default the package's."""
    return _host.current().optional_context("deployment")


def labels() -> dict[str, str]:
    """Returns the environment's labels."""
    return dict(_host.current().labels())


def setting(name: str) -> str | None:
    """Returns what the environment sets under this name, as text."""
    return _host.current().setting(name)


def previous() -> Any:
    """Returns what this deployment's last `apply` left as its receipt, as JSON values; None where there is none.

    `Plugin.previous` gives it as the plugin's own type.
    """
    text = _host.current().optional_context("previous")
    return None if text is None else json.loads(text)


def unfinished() -> Any:
    """Returns the last checkpoint of an earlier attempt of this `apply` in this release that did not end well and was not undone.

    What stands at the target is partly this release's own doing then. `Plugin.unfinished` gives it as the plugin's own type.
    """
    text = _host.current().optional_context("unfinished")
    return None if text is None else json.loads(text)


def started_at() -> int:
    """Returns the moment the release began, in seconds since the Unix epoch; 0 for a pure step."""
    return _host.current().number("started_at")
