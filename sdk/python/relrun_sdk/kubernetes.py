"""One namespace of a Kubernetes cluster. The host finds the cluster by its context, and holds the credentials."""

from __future__ import annotations

import dataclasses

from . import _host
from .http import Request


@dataclasses.dataclass(frozen=True)
class Namespace:
    """A namespace of the cluster that a context of the user's kubeconfig names. It is reached only where a grant names both."""

    context: str
    name: str

    def request(self, method: str, path: str) -> Request:
        """Starts a request to the API server. The path begins with `/api` or `/apis`, and lies in the namespace."""
        return Request(method, path, cluster=(self.context, self.name))


def mark(found: str | None, object: str) -> str:
    """Returns this ledger's mark, to stand on an object from its first change on.

    `found` is the mark that is there: another ledger's is `Denied` until the user says `--adopt`. `object` names the object for the person
    who reads that.
    """
    return _host.current().mark(found, object)
