"""What leaves a plugin for an exception that nobody caught."""

from __future__ import annotations

import unittest
from pathlib import Path

from relrun_sdk import Cancelled, Denied, Invalid, Missing, Permanent, TimedOut, errors


class ErrorsTest(unittest.TestCase):
    def test_pythons_own_errors_keep_their_meaning(self) -> None:
        same: dict[BaseException, type[errors.Error]] = {
            FileNotFoundError(2, "gone"): Missing,
            PermissionError("no"): Denied,
            TimeoutError("late"): TimedOut,
            OSError("disk"): Permanent,
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"): Invalid,
            SystemExit(3): Permanent,
        }
        for raised, kind in same.items():
            with self.subTest(kind=kind):
                self.assertIs(type(errors.of(raised)), kind)

    def test_a_missing_file_is_told_by_its_name(self) -> None:
        with self.assertRaises(FileNotFoundError) as caught:
            Path("/none/of/these").read_text()
        self.assertEqual(errors.of(caught.exception), Missing("/none/of/these: No such file or directory"))

    def test_a_mistake_of_the_plugin_names_its_place(self) -> None:
        try:
            raise KeyError("who")
        except KeyError as raised:
            error = errors.of(raised)
        self.assertIsInstance(error, Permanent)
        self.assertRegex(error.message, r"^KeyError: 'who' \(test_errors\.py:\d+ in test_a_mistake")

    def test_an_import_that_comes_too_late_says_where_it_belongs(self) -> None:
        self.assertRegex(errors.of(ModuleNotFoundError("No module named 'uuid'")).message, "import it at the top of the file")

    def test_a_wrapped_error_keeps_its_kind_and_both_texts(self) -> None:
        try:
            try:
                raise Denied("no grant")
            except Denied as denied:
                raise RuntimeError("read the plan") from denied
        except RuntimeError as raised:
            self.assertEqual(errors.of(raised), Denied("read the plan: no grant"))

    def test_an_error_raised_while_another_is_handled_is_not_wrapped(self) -> None:
        try:
            try:
                raise Denied("no grant")
            except Denied:
                raise ValueError("other") from None
        except ValueError as raised:
            self.assertIsInstance(errors.of(raised), Permanent)

    def test_context_keeps_the_kind(self) -> None:
        self.assertEqual(Missing("x").context("read it"), Missing("read it: x"))

    def test_every_kind_has_its_name(self) -> None:
        for kind, cls in errors.KINDS.items():
            self.assertEqual(errors.named(kind, "x").kind, kind)
            self.assertIs(type(errors.named(kind)), cls)
        self.assertEqual(Cancelled().message, "the release is being cancelled")

    def test_an_exception_whose_text_fails_still_leaves(self) -> None:
        class Odd(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        self.assertTrue(errors.of(Odd()).message.startswith("Odd: Odd"))


if __name__ == "__main__":
    unittest.main()
