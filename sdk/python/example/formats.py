"""What a filled file must be: whether it parses, where it does not, and which keys it has. Knows nothing of plugins."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Literal

Format = Literal["json", "toml", "ini", "text"]


class FormatError(Exception):
    """What is wrong with a file, and where: line and column count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"{line}:{column}: {message}")
        self.line = line


def parse(text: str, format: Format) -> Any:
    """Returns what a file says; raises `FormatError`."""
    if format == "json":
        return _json(text)
    if format == "toml":
        return _toml(text)
    if format == "ini":
        return _ini(text)
    return None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(error.msg, error.lineno, error.colno) from None


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"(.*?) \(at line (\d+), column (\d+)\)$", str(error), re.DOTALL)
        if found:
            raise FormatError(found[1], int(found[2]), int(found[3])) from None
        # The parser says "at end of document" where it came to the end.
        raise FormatError(str(error), text.count("\n") + 1, len(text) - text.rfind("\n")) from None


def _ini(text: str) -> Any:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        raise FormatError("a line before the first [section]", error.lineno, 1) from None
    except configparser.ParsingError as error:
        raise FormatError("neither [section] nor name = value", error.errors[0][0], 1) from None
    except configparser.DuplicateSectionError as error:
        raise FormatError(f"[{error.section}] is there twice", error.lineno or 1, 1) from None
    except configparser.DuplicateOptionError as error:
        raise FormatError(f"{error.option} in [{error.section}] is there twice", error.lineno or 1, 1) from None
    return {section: dict(parser[section]) for section in parser.sections()}


def missing(said: Any, required: list[str]) -> list[str]:
    """Returns which of the required keys (`server.port`) a file does not say."""
    return [path for path in required if not _has(said, path)]


def _has(said: Any, path: str) -> bool:
    for part in path.split("."):
        if not isinstance(said, Mapping) or part not in said:
            return False
        said = said[part]
    return True
