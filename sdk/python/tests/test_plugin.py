"""The operations on a fake host: guard, receipts, answers, and every module of host calls."""

from __future__ import annotations

import logging
import unittest
from dataclasses import dataclass
from typing import Any

from relrun_sdk import (
    Begun,
    Came,
    Denied,
    Done,
    Error,
    Gone,
    Health,
    Invalid,
    Missing,
    Needs,
    NotDone,
    Nothing,
    Other,
    Outcome,
    Permanent,
    Plugin,
    Recovery,
    Saved,
    Standing,
    Transient,
    checkpoint,
    config,
    context,
    files,
    hosts,
    http,
    kubernetes,
    log,
    need,
    process,
    registry,
    rounds,
    secrets,
    trees,
)
from relrun_sdk.plugin import types_of
from relrun_sdk.testing import Fake


@config()
class HookConfig:
    url: str


class Hook(Plugin[HookConfig, Nothing, Nothing]):
    """Posts to a hook: the smallest effect."""

    name, version, summary = "hook", "0.1.0", "Posts to a hook"

    def resolve(self, config: HookConfig) -> Needs:
        return need.effect(need.http(config.url, methods=["POST"]))

    def apply(self, config: HookConfig) -> Outcome[Nothing, Nothing]:
        http.post(config.url).send()
        return Outcome("posted", Nothing())


@config(args=("name", "size"))
class Part:
    name: str
    size: int


@config()
class KeeperConfig:
    part: list[Part]


@dataclass(frozen=True)
class Kept:
    how_many: int


@dataclass(frozen=True)
class Names:
    names: list[str]


class Keeper(Plugin[KeeperConfig, Kept, Names]):
    """Records what it did."""

    name, version, summary = "keeper", "0.1.0", "Keeps parts"

    def resolve(self, config: KeeperConfig) -> Needs:
        return need.effect()

    def apply(self, config: KeeperConfig) -> Outcome[Kept, Names]:
        names = Names([f"{part.name}x{part.size}" for part in config.part])
        before = self.previous()
        log.info(f"before: {before}")
        checkpoint(names)
        return Outcome("kept", Kept(len(names.names)), names)

    def recover(self, config: KeeperConfig, came: Came[Names]) -> Recovery[Kept, Names]:
        match came:
            case Saved(receipt):
                return Done(Outcome("kept", Kept(len(receipt.names)), receipt))
            case Begun():
                raise Other("begun")
        return NotDone()

    def verify(self, config: KeeperConfig, receipt: Names) -> Health:
        return Gone()

    def undo(self, config: KeeperConfig, receipt: Names) -> str:
        return f"dropped {', '.join(receipt.names)}"

    def find(self, config: KeeperConfig) -> Standing[Names]:
        return Standing("found", {"${step.a.b}": "1"}, Names(["old"]))


class Script(Plugin[dict[str, Any], dict[str, Any], Any]):
    """Runs a function of the test as an effect."""

    name, version, summary = "script", "0.1.0", "Runs a function"
    config_schema = {"type": "object"}  # noqa: RUF012

    def __init__(self, run: Any) -> None:
        self.run = run

    def resolve(self, config: dict[str, Any]) -> Needs:
        return need.effect()

    def apply(self, config: dict[str, Any]) -> Outcome[dict[str, Any], Any]:
        return Outcome("ran", {"value": self.run()})


def ran(fake: Fake, run: Any) -> Any:
    return fake.apply(Script(run), {}).outputs["value"]


PARTS = {"part": [{"name": "a", "size": 2}]}


class OperationsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = Fake()

    def test_a_change_without_a_checkpoint_leaves_an_empty_one_first(self) -> None:
        given = {"url": "http://a.example"}
        with self.assertRaises(Transient):
            self.fake.apply(Hook(), given)
        self.assertEqual(self.fake.checkpoints(), [None])
        self.assertEqual(self.fake.recover(Hook(), given).kind, "not-done")
        with self.assertRaises(Other):
            self.fake.recover(Hook(), given, None)
        self.assertEqual(self.fake.undo(Hook(), given, None).summary, "nothing that can be undone was recorded")

    def test_a_plugin_with_receipts_that_saved_none_says_so(self) -> None:
        with self.assertRaises(Permanent) as caught:
            self.fake.undo(Keeper(), PARTS, None)
        self.assertEqual(caught.exception.message, "keeper had begun to change something, and recorded nothing that says what")

    def test_outputs_and_receipts_travel_as_json(self) -> None:
        self.fake.previous({"names": ["z"], "of-a-newer-version": 1}).unfinished({"names": ["y"]})
        self.assertEqual(Keeper().unfinished(), Names(["y"]))
        answer = self.fake.apply(Keeper(), PARTS)
        self.assertEqual((answer.summary, answer.outputs, answer.receipt), ("kept", {"how-many": 1}, {"names": ["ax2"]}))
        self.assertEqual(self.fake.checkpoints(), [{"names": ["ax2"]}])
        self.assertEqual(self.fake.lines(), ["info: before: Names(names=['z'])"])

    def test_every_operation_gets_its_receipt_and_gives_its_answer(self) -> None:
        receipt = {"names": ["ax2"]}
        recovered = self.fake.recover(Keeper(), PARTS, receipt)
        assert recovered.answer is not None
        self.assertEqual((recovered.kind, recovered.answer.receipt), ("done", receipt))
        self.assertEqual(self.fake.undo(Keeper(), PARTS, receipt).summary, "dropped ax2")
        self.assertIsInstance(self.fake.verify(Keeper(), PARTS, receipt), Gone)
        self.assertEqual(self.fake.find(Keeper(), PARTS).outputs, {"${step.a.b}": "1"})
        self.assertEqual(self.fake.plan(Keeper(), PARTS), [])
        with self.assertRaises(Permanent) as caught:
            self.fake.destroy(Keeper(), PARTS, receipt)
        self.assertEqual(caught.exception.message, "keeper cannot remove what it deployed")

    def test_a_config_of_the_wrong_shape_is_the_authors_mistake(self) -> None:
        with self.assertRaises(Invalid) as caught:
            self.fake.resolve(Hook(), {"url": "u", "uri": "x"})
        self.assertEqual(caught.exception.message, "config: unknown field `uri`, expected `url`")

    def test_a_receipt_of_the_wrong_shape_is_not_the_authors_mistake(self) -> None:
        with self.assertRaises(Permanent):
            self.fake.undo(Keeper(), PARTS, {"names": 1})

    def test_the_description_has_both_schemas(self) -> None:
        known = self.fake.describe(Keeper())
        self.assertEqual(known["config_schema"]["properties"]["part"]["items"]["x-args"], ["name", "size"])
        self.assertEqual(known["outputs_schema"]["required"], ["how-many"])
        self.assertEqual(self.fake.describe(Script(None))["config_schema"], {"type": "object"})

    def test_an_exception_never_leaves_as_itself(self) -> None:
        for raised in (KeyError("x"), SystemExit(1), RecursionError(), MemoryError()):

            def fail(raised: BaseException = raised) -> None:
                raise raised

            with self.subTest(raised=raised), self.assertRaises(Error):
                ran(self.fake, fail)

    def test_an_answer_of_the_wrong_type_is_told(self) -> None:
        class Odd(Keeper):
            def undo(self, config: KeeperConfig, receipt: Names) -> str:
                return 3  # type: ignore[return-value]

        with self.assertRaises(Permanent) as caught:
            self.fake.undo(Odd(), PARTS, {"names": []})
        self.assertEqual(caught.exception.message, "undo: expected str, found int")

    def test_a_plugin_without_types_says_so(self) -> None:
        with self.assertRaisesRegex(TypeError, "does not say its types"):
            types_of(Plugin)


class CallsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = Fake()

    def test_http_hides_secrets_and_pulls_the_body(self) -> None:
        self.fake.secret("token", "s3cret").answer(201, '{"id": 7}', {"etag": "x"})

        def run() -> Any:
            token = secrets.get("token")
            with http.post("https://a.example").bearer(token).basic_auth("me", token).json({"ü": 1}).timeout(2).send() as response:
                return [response.status, response.header("ETag"), response.json()]

        self.assertEqual(ran(self.fake, run), [201, "x", {"id": 7}])
        words = "POST https://a.example content-type: application/json authorization: Bearer <token> basic me:<token> "
        self.assertEqual(self.fake.calls(), [words + '{"ü": 1}'])

    def test_a_body_longer_than_its_limit_is_an_error(self) -> None:
        self.fake.answer(200, "x" * 100)
        with self.assertRaises(Permanent):
            ran(self.fake, lambda: http.get("https://a.example").send().bytes(10))

    def test_a_secret_that_is_not_granted_is_denied(self) -> None:
        with self.assertRaises(Denied):
            ran(self.fake, lambda: secrets.get("token").name)
        self.assertEqual(repr(secrets.Secret(self.fake.secret("a", "b")._host.secret("a"))), "Secret(…)")

    def test_commands_give_what_they_wrote(self) -> None:
        self.fake.command("git", "log", code=2, stdout="one", stderr="two")
        output = process.command("git", "log").output()
        self.assertEqual((output.code, output.text, output.stderr), (2, "one", b"two"))
        self.assertEqual(ran(self.fake, lambda: process.command("true").on_host("web1").run()), 0)
        self.assertEqual(self.fake.calls(), ["run git log", "run web1: true"])
        self.assertEqual(self.fake.checkpoints(), [None])

    def test_hosts_keep_files_and_links(self) -> None:
        self.fake.host("web1", {"role": "web"}, {"root": "/srv"}).host("db1")
        digest = self.fake.tree({"a/index.html": "one"})
        [web] = hosts.selected("role=web")
        web.upload(digest, "/srv/r1")
        web.symlink("r1", "/srv/next")
        web.rename("/srv/next", "/srv/current")
        self.assertEqual(web.read_file("/srv/current/a/index.html"), b"one")
        self.assertEqual(self.fake.link("web1", "/srv/current"), "r1")
        self.assertEqual([entry.name for entry in web.read_dir("/srv")], ["current", "r1"])
        self.assertEqual(web.fetch("/srv/r1"), digest)
        self.assertEqual(web.setting("root"), "/srv")
        web.remove("/srv/r1")
        self.assertIsNone(web.stat("/srv/r1"))
        with self.assertRaises(Missing):
            hosts.Host("nobody").read_dir("/")

    def test_a_round_goes_on_where_another_host_fails(self) -> None:
        self.fake.host("a").host("b").command("probe", code=1)
        first, second = hosts.all()
        came = rounds.Round().make_dir(first, "/x").run(first, process.command("probe")).make_dir(second, "/x").perform()
        self.assertEqual(
            [(host.name, error and error.message) for host, error in came], [("a", "`probe` ended with exit code 1"), ("b", None)]
        )
        with self.assertRaises(Permanent) as caught:
            rounds.Round().run(first, process.command("probe")).perform_all()
        self.assertTrue(caught.exception.message.startswith("a: "))

    def test_a_crash_leaves_the_world_as_it_was(self) -> None:
        self.fake.host("a").crash_after(1)

        def run() -> None:
            hosts.Host("a").make_dir("/one")
            hosts.Host("a").make_dir("/two")

        with self.assertRaises(Error):
            ran(self.fake, run)
        self.assertEqual(self.fake.restart().names("a", "/"), ["one"])

    def test_a_tried_request_to_a_cluster_changes_nothing(self) -> None:
        self.fake.answer(200).answer(200)
        shop = kubernetes.Namespace("prod", "shop")
        ran(self.fake, lambda: shop.request("PATCH", "/api/v1/x?dryRun=All").send().status)
        self.assertEqual(self.fake.checkpoints(), [])
        ran(self.fake, lambda: shop.request("PATCH", "/api/v1/x").send().status)
        self.assertEqual(self.fake.checkpoints(), [None])
        self.assertEqual(kubernetes.mark(None, "Deployment/shop"), "r1")

    def test_images_are_told_in_the_worlds_words(self) -> None:
        image = registry.Image(images=[registry.Platform(platform="linux/amd64", layers=[registry.Layer(tree="t")], working_dir="/w")])
        repository = registry.Repository("r.example/acme")
        pushed = repository.push(image)
        repository.tag(pushed.digest, "1.0", fixed=True)
        self.assertEqual((pushed.sent, repository.find("1.0")), (1, image.digest()))
        repository.untag("1.0")
        self.assertIsNone(self.fake.image_tag("r.example/acme", "1.0"))

    def test_files_lie_in_the_fakes_folder(self) -> None:
        self.fake.input("conf", {"a/b.txt": "x"})
        out = self.fake.output("made")
        self.assertEqual(files.input("conf").joinpath("a/b.txt").read_text(), "x")
        files.output("made").joinpath("c").write_text("y")
        self.assertEqual((out / "c").read_text(), "y")
        digest = trees.capture(files.input("conf"))
        trees.restore(digest, files.tmp() / "copy")
        self.assertTrue((files.tmp() / "copy/a/b.txt").is_file())
        with self.assertRaises(Missing):
            ran(self.fake, lambda: files.input("no").joinpath("x").read_text())

    def test_context_and_log(self) -> None:
        self.fake.context(release="r9", environment=None).setting("tier", "live").label("a", "b")
        known = [
            context.release(),
            context.environment(),
            context.setting("tier"),
            context.setting("no"),
            context.labels(),
            context.attempt(),
        ]
        self.assertEqual(known, ["r9", None, "live", None, {"a": "b"}, 1])
        logging.getLogger("x").warning("hot %s", 3)
        log.progress("files", 1, 2)
        self.assertEqual(self.fake.lines(), ["warn: hot 3", "progress: files 1/2"])
        with self.assertRaisesRegex(TypeError, "no colour"):
            self.fake.context(colour="red")

    def test_a_planned_fault_comes_once(self) -> None:
        self.fake.answer(200).answer(200).fail("GET https://a", Transient("reset"), after=1)
        self.assertEqual(ran(self.fake, lambda: http.get("https://a.example").send().status), 200)
        with self.assertRaises(Transient):
            ran(self.fake, lambda: http.get("https://a.example").send().status)
        self.assertEqual(ran(self.fake, lambda: http.get("https://a.example").send().status), 200)


class NeedTest(unittest.TestCase):
    def test_needs_are_written_as_a_manifest_would(self) -> None:
        written = {
            need.run("npm", "run", 'say "hi"', network=True).capability: r'run "npm" "run" "say \"hi\"" network=#true',
            need.http(
                "https://a.example", methods=["GET", "POST"], private=True
            ).capability: 'http "https://a.example" methods="GET POST" private=#true',
            need.secret("token", to_command="npm", env="NPM_TOKEN").capability: 'secret "token" to-command="npm" env="NPM_TOKEN"',
            need.kubernetes("prod", "shop").capability: 'kubernetes context="prod" namespace="shop"',
            need.run("make", unconfined=True).capability: 'run "make" confine="none"',
            need.run("true", on="web*").capability: 'run "true" on="web*"',
            need.env("A\x01").capability: 'env "A\\u{1}"',
        }
        for given, expected in written.items():
            self.assertEqual(given, expected)

    def test_the_same_need_is_asked_for_once(self) -> None:
        needs = need.effect(need.host(because="first"), need.host(because="second"), need.read("/x"))
        self.assertEqual(needs.capabilities(), ['host "*"', 'read "/x"'])
        self.assertEqual(needs.requests[0].reason, "first")


if __name__ == "__main__":
    unittest.main()
