"""Configs: dataclasses to JSON Schema, JSON to dataclasses."""

from __future__ import annotations

import enum
import unittest
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from relrun_sdk import Invalid, Length, Pattern, Range, config
from relrun_sdk._schema import from_json, schema_of, text_of, to_json


class Mode(enum.Enum):
    """How."""

    CHECK = "check"
    WRITE = "write"


@config(args=("name", "size"))
class Part:
    """One part."""

    name: Annotated[str, Length(1, 5)]
    size: Annotated[int, Range(1, 9)] = 1


@config()
class Config:
    part: Annotated[list[Part], "The parts."]
    mode: Mode = Mode.CHECK
    keep_days: float | None = None
    tag: Annotated[str, Pattern("^v")] = "v1"
    level: Literal["low", "high"] = "low"
    env: dict[str, str] | None = None
    from_: str = ""
    anything: Any = None


@dataclass
class Plain:
    a: int


def read(value: Any) -> Config:
    return from_json(Config, value, strict=True, what="config")


class SchemaTest(unittest.TestCase):
    def test_names_bounds_and_arguments_are_said_as_the_host_reads_them(self) -> None:
        schema = schema_of(Config)
        self.assertEqual(schema["required"], ["part"])
        self.assertIs(schema["additionalProperties"], False)
        part = schema["properties"]["part"]
        self.assertEqual(part["description"], "The parts.")
        self.assertEqual(part["items"]["x-args"], ["name", "size"])
        self.assertEqual(part["items"]["description"], "One part.")
        self.assertEqual(part["items"]["properties"]["name"], {"type": "string", "minLength": 1, "maxLength": 5})
        self.assertEqual(part["items"]["properties"]["size"], {"type": "integer", "minimum": 1, "maximum": 9, "default": 1})
        self.assertEqual(schema["properties"]["mode"], {"enum": ["check", "write"], "default": "check"})
        self.assertEqual(schema["properties"]["keep-days"], {"anyOf": [{"type": "number"}, {"type": "null"}]})
        self.assertIn("from", schema["properties"])
        self.assertNotIn("description", schema, "the docstring that dataclass makes up is none")

    def test_a_config_is_read_into_its_types(self) -> None:
        given = read({"part": [{"name": "a", "size": 2}], "mode": "write", "keep-days": 2, "from": "x", "anything": {"b": 1}})
        self.assertEqual(given.part, [Part(name="a", size=2)])
        self.assertIs(given.mode, Mode.WRITE)
        self.assertEqual(given.keep_days, 2.0)
        self.assertIsInstance(given.keep_days, float)
        self.assertEqual((given.from_, given.anything, given.tag), ("x", {"b": 1}, "v1"))

    def test_a_wrong_config_is_told_with_its_place(self) -> None:
        wrong = {
            "config: missing field `part`": {},
            "config.part: expected a list, found 3": {"part": 3},
            "config.part[0]: missing field `name`": {"part": [{}]},
            "config.part[0].size: expected a whole number, found true": {"part": [{"name": "a", "size": True}]},
            "config.part[0].size: expected at most 9, found 10": {"part": [{"name": "a", "size": 10}]},
            "config.part[0].name: expected a length of at least 1, found 0": {"part": [{"name": ""}]},
            'config.mode: expected one of "check", "write", found "no"': {"part": [], "mode": "no"},
            'config.level: expected one of "low", "high", found "mid"': {"part": [], "level": "mid"},
            'config.tag: "1" does not match ^v': {"part": [], "tag": "1"},
            "config.env.A: expected a text, found 1": {"part": [], "env": {"A": 1}},
        }
        for message, value in wrong.items():
            with self.subTest(message), self.assertRaises(Invalid) as caught:
                read(value)
            self.assertEqual(caught.exception.message, message)

    def test_an_unknown_field_is_refused_where_it_is_strict(self) -> None:
        with self.assertRaises(Invalid) as caught:
            from_json(Plain, {"a": 1, "b": 2}, strict=True, what="config")
        self.assertEqual(caught.exception.message, "config: unknown field `b`, expected `a`")
        self.assertEqual(from_json(Plain, {"a": 1, "b": 2}, strict=False, what="receipt"), Plain(1))

    def test_what_is_no_json_is_refused(self) -> None:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        for value in (float("nan"), {"a": "\ud800"}, object(), {1: {2, 3}}, deep):
            with self.assertRaises(Invalid):
                text_of(value, "the outputs")

    def test_none_is_left_out(self) -> None:
        self.assertEqual(to_json(Part(name="ä")), {"name": "ä", "size": 1})
        self.assertNotIn("env", to_json(read({"part": []})))

    def test_what_cannot_be_a_config_says_so(self) -> None:
        with self.assertRaisesRegex(TypeError, "cannot be a part of a config"):
            schema_of(set[str])
        with self.assertRaisesRegex(TypeError, "no field 'b'"):
            config(args=("b",))(type("Odd", (), {"__annotations__": {"a": str}}))


if __name__ == "__main__":
    unittest.main()
