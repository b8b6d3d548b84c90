"""The plugin's logic on a fake host, without a component (README.md says how to run it)."""

import unittest

from relrun_sdk import Invalid
from relrun_sdk.testing import Fake

from app import {{NamePascal}}


class {{NamePascal}}Test(unittest.TestCase):
    def test_it_greets_whom_it_is_told_to(self) -> None:
        fake = Fake()
        folder = fake.output("greeting")
        answer = fake.apply({{NamePascal}}(), {"who": "World"})
        self.assertEqual((answer.summary, answer.outputs), ("greeted World", {"bytes": 13}))
        self.assertEqual(folder.joinpath("index.txt").read_text(), "Hello World!\n")
        self.assertEqual(fake.lines(), ["info: greeting World"])

    def test_it_refuses_nobody(self) -> None:
        with self.assertRaises(Invalid):
            Fake().apply({{NamePascal}}(), {"who": ""})
