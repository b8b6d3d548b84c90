"""The plugin {{name}}.

`relrun plugin build` makes the component, `relrun plugin test` runs the cases of tests/.
"""

import logging
from dataclasses import dataclass
from typing import Annotated

from relrun_sdk import Length, Nothing, Outcome, Plugin, config, export, files

log = logging.getLogger(__name__)


@config(args=("who",))
class Config:
    """What a manifest configures."""

    who: Annotated[str, Length(1), "Whom to greet."]


@dataclass(frozen=True)
class Outputs:
    """What other steps may refer to."""

    bytes: Annotated[int, "How long the greeting is."]


@export
class {{NamePascal}}(Plugin[Config, Outputs, Nothing]):
    """It says nothing in `resolve`, so it is pure: served from the cache, and reaching nothing."""

    name = "{{name}}"
    version = "0.1.0"
    summary = "Writes a greeting to /out/greeting"

    def apply(self, config: Config) -> Outcome[Outputs, Nothing]:
        log.info("greeting %s", config.who)
        greeting = f"Hello {config.who}!\n".encode()
        files.output("greeting").joinpath("index.txt").write_bytes(greeting)
        return Outcome(f"greeted {config.who}", Outputs(bytes=len(greeting)))
