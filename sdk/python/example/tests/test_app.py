"""The plugin on a fake host."""

from __future__ import annotations

import unittest
from typing import Any

from relrun_sdk import Drifted, Error, Gone, Intact, Invalid, Other, Transient
from relrun_sdk.testing import Fake

from app import ConfigFile

TEMPLATE = "[server]\nport = {{ port }}\n{% for host in allow %}\n# {{ host }}\n{% end %}\n"
FILLED = "[server]\nport = 8080\n# a\n# b\n"
PATH = "/etc/app/app.toml"


def given(**more: Any) -> dict[str, Any]:
    return {"template": "app.toml.tmpl", "path": PATH, "format": "toml", "value": {"port": 8080, "allow": ["a", "b"]}, **more}


class ConfigFileTest(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = Fake().host("web1", {"role": "web"}).host("db1", {"role": "db"})
        self.fake.input("work", {"app.toml.tmpl": TEMPLATE})
        self.plugin = ConfigFile()

    def test_it_writes_what_is_not_there_and_nothing_twice(self) -> None:
        [first, second] = self.fake.plan(self.plugin, given())
        self.assertEqual(first.summary, f"create {PATH} on web1")
        self.assertEqual(self.fake.calls(), [])
        self.fake.write("db1", PATH, FILLED)
        answer = self.fake.apply(self.plugin, given(require=["server.port"]))
        self.assertEqual(answer.summary, f"{PATH} stands on 2 hosts, 1 written")
        self.assertEqual(answer.outputs["hosts"], ["web1", "db1"])
        self.assertEqual(self.fake.read("web1", PATH), FILLED)
        self.assertEqual(self.fake.calls(), ["make-dir web1 /etc/app", f"write-file web1 {PATH}"])
        self.assertEqual(self.fake.plan(self.plugin, given()), [])
        self.assertEqual(
            second.detail, "--- stands\n+++ planned\n@@ -0,0 +1,4 @@\n" + "".join(f"+{line}\n" for line in FILLED.splitlines())
        )

    def test_drift_is_reported_with_its_difference(self) -> None:
        receipt = self.fake.apply(self.plugin, given()).receipt
        self.assertIsInstance(self.fake.verify(self.plugin, given(), receipt), Intact)
        self.fake.write("db1", PATH, FILLED.replace("8080", "9090"))
        health = self.fake.verify(self.plugin, given(), receipt)
        assert isinstance(health, Drifted)
        [change] = health.changes
        self.assertEqual(change.summary, f"{PATH} on db1 differs")
        self.assertIn("-port = 8080\n+port = 9090\n", change.detail or "")
        self.fake.destroy(self.plugin, given(), receipt)
        self.assertIsInstance(self.fake.verify(self.plugin, given(), receipt), Gone)

    def test_undo_puts_back_what_stood_and_twice_does_no_harm(self) -> None:
        self.fake.write("web1", PATH, "old")
        receipt = self.fake.apply(self.plugin, given()).receipt
        self.assertEqual(self.fake.undo(self.plugin, given(), receipt).summary, f"put back {PATH} on 2 hosts")
        self.assertEqual((self.fake.read("web1", PATH), self.fake.names("db1", "/etc/app")), ("old", []))
        self.assertEqual(self.fake.undo(self.plugin, given(), receipt).summary, f"put back {PATH} on 0 hosts")
        self.fake.write("web1", PATH, "somebody's")
        with self.assertRaises(Other):
            self.fake.undo(self.plugin, given(), receipt)

    def test_another_attempt_still_knows_what_stood_before_the_first(self) -> None:
        self.fake.write("web1", PATH, "old").fail("write-file db1", Transient("away"))
        with self.assertRaises(Transient):
            self.fake.apply(self.plugin, given())
        self.fake.unfinished(self.fake.checkpoints()[-1])
        receipt = self.fake.apply(self.plugin, given()).receipt
        self.fake.undo(self.plugin, given(), receipt)
        self.assertEqual((self.fake.read("web1", PATH), self.fake.names("db1", "/etc/app")), ("old", []))

    def test_cut_after_every_change_it_is_undone(self) -> None:
        for changes in range(5):
            with self.subTest(changes=changes):
                self.setUp()
                self.fake.write("web1", PATH, "old").crash_after(changes)
                try:
                    self.fake.apply(self.plugin, given())
                except Error as error:
                    self.assertEqual(error.kind, "cancelled")
                saved = self.fake.restart().checkpoints()
                recovered = self.fake.recover(self.plugin, given(), *saved[-1:])
                if recovered.kind == "partly":
                    self.fake.undo(self.plugin, given(), recovered.receipt)
                self.assertEqual(self.fake.read("web1", PATH), "old")

    def test_mistakes_are_told_with_file_line_and_column(self) -> None:
        wrong = {
            "app.toml.tmpl:2:8: there is no value port: there is allow": given(value={"allow": []}),
            "app.toml.tmpl asks for no value ports": given(value={"port": 1, "allow": [], "ports": 2}),
            "app.toml.tmpl, when it is filled, is no toml: 2:8: Invalid value: 'port = eighty'": given(
                value={"port": "eighty", "allow": []}
            ),
            "app.toml.tmpl, when it is filled, is no json: 1:2: Expecting value: '[server]'": given(format="json"),
            "app.toml.tmpl, when it is filled, does not say server.root": given(require=["server.root"]),
            "no granted host has the labels 'role=cache'": given(hosts="role=cache"),
        }
        for message, config in wrong.items():
            with self.subTest(message), self.assertRaises(Invalid) as caught:
                self.fake.apply(self.plugin, config)
            self.assertEqual(caught.exception.message, message)
        self.assertEqual(self.fake.calls(), [])

    def test_it_asks_for_its_hosts(self) -> None:
        needs = self.fake.resolve(self.plugin, given())
        self.assertEqual((needs.is_effect, needs.idempotent, needs.capabilities()), (True, True, ['host "*"']))


if __name__ == "__main__":
    unittest.main()
