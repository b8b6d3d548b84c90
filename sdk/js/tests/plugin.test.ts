// The operations on a fake host: guard, receipts, answers, errors, and every module of host calls.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cancelled,
  checkpoint,
  context,
  definePlugin,
  Denied,
  files,
  hosts,
  http,
  Invalid,
  kubernetes,
  log,
  Missing,
  need,
  Other,
  Permanent,
  type Plugin,
  process,
  registry,
  rounds,
  secrets,
  StepError,
  Transient,
  trees,
} from "relrun-sdk";
import { errorOf, named } from "relrun-sdk/errors";
import { Fake } from "relrun-sdk/testing";

/** Posts to a hook: the smallest effect. */
const hook = definePlugin({
  name: "hook",
  version: "0.1.0",
  summary: "Posts to a hook",
  config: { properties: { url: { type: "string" } }, required: ["url"] },
  resolve: (config) => need.effect({ idempotent: false }, need.http(config.url, { methods: ["POST"] })),
  apply(config) {
    http.post(config.url).send();
    return { summary: "posted" };
  },
});

/** Records what it did. */
const keeper = definePlugin({
  name: "keeper",
  version: "0.1.0",
  summary: "Keeps parts",
  config: { properties: { part: { items: { properties: { name: { type: "string" } }, required: ["name"] } } }, required: ["part"] },
  outputs: { properties: { howMany: { type: "integer" } }, required: ["howMany"] },
  receipt: { properties: { names: { items: { type: "string" } } }, required: ["names"] },
  resolve: () => need.effect({ idempotent: true }),
  apply(config) {
    const receipt = { names: config.part.map((part) => part.name) };
    log.info(`before: ${JSON.stringify(context.previous())}`);
    checkpoint(receipt);
    return { summary: "kept", outputs: { howMany: receipt.names.length }, receipt };
  },
  recover(_, came) {
    if (came.state === "saved") return { recovery: "done", outcome: { summary: "kept", outputs: { howMany: 1 }, receipt: came.receipt } };
    if (came.state === "begun") throw new Other("begun");
    return { recovery: "not-done" };
  },
  verify: () => ({ health: "gone" }),
  undo: (_, receipt) => `dropped ${receipt.names.join(", ")}`,
  find: () => ({ summary: "found", values: { "${step.a.b}": "1" }, receipt: { names: ["old"] } }),
});

/** Runs a function of the test as an effect. */
function script(run: () => unknown): Plugin {
  return definePlugin({
    name: "script",
    version: "0.1.0",
    summary: "Runs a function",
    outputs: {},
    resolve: () => need.effect({ idempotent: true }),
    apply: () => ({ summary: "ran", outputs: { value: run() ?? null } as never }),
  });
}

const ran = (fake: Fake, run: () => unknown): unknown => fake.apply(script(run), {}).outputs["value"];
const PARTS = { part: [{ name: "a" }] };
const URL = { url: "http://a.example" };

test("a change without a checkpoint leaves an empty one first", () => {
  const fake = new Fake();
  assert.throws(() => fake.apply(hook, URL), Transient);
  assert.deepEqual(fake.checkpoints(), [null]);
  assert.equal(fake.recover(hook, URL).kind, "not-done");
  assert.throws(() => fake.recover(hook, URL, null), Other);
  assert.equal(fake.undo(hook, URL, null).summary, "nothing that can be undone was recorded");
});

test("a plugin with receipts that saved none says so", () => {
  assert.throws(() => new Fake().undo(keeper, PARTS, null), new Permanent("keeper had begun to change something, and recorded nothing that says what"));
});

test("outputs and receipts travel as JSON", () => {
  const fake = new Fake().previous({ names: ["z"] });
  assert.deepEqual(fake.apply(keeper, PARTS), { summary: "kept", outputs: { "how-many": 1 }, receipt: { names: ["a"] } });
  assert.deepEqual(fake.checkpoints(), [{ names: ["a"] }]);
  assert.deepEqual(fake.lines(), ['info: before: {"names":["z"]}']);
});

test("every operation gets its receipt and gives its answer", () => {
  const fake = new Fake();
  const receipt = { names: ["a"], "of-a-newer-version": 1 };
  const recovered = fake.recover(keeper, PARTS, receipt);
  assert.deepEqual([recovered.kind, recovered.answer?.outputs], ["done", { "how-many": 1 }]);
  assert.equal(fake.undo(keeper, PARTS, receipt).summary, "dropped a");
  assert.deepEqual(fake.verify(keeper, PARTS, receipt), { health: "gone" });
  assert.deepEqual(fake.find(keeper, PARTS).outputs, { "${step.a.b}": "1" });
  assert.deepEqual(fake.plan(keeper, PARTS), []);
  assert.throws(() => fake.destroy(keeper, PARTS, receipt), new Permanent("keeper cannot remove what it deployed"));
  assert.throws(() => fake.undo(keeper, PARTS, { names: 1 }), new Permanent("receipt.names: expected a list, found 1"));
  assert.throws(() => fake.find(hook, URL), Missing);
});

test("a config of the wrong shape is the author's mistake", () => {
  assert.throws(() => new Fake().resolve(hook, { url: "u", uri: "x" }), new Invalid("config: unknown field `uri`, expected `url`"));
});

test("whatever is thrown leaves as one of the world's errors", () => {
  const fake = new Fake();
  const deep = (): unknown => deep();
  for (const thrown of [new TypeError("x"), "text", { odd: 1 }, undefined, null, 3n, Object.create(null)]) {
    assert.throws(() => ran(fake, () => { throw thrown; }), StepError);
  }
  assert.throws(() => ran(fake, deep), Permanent);
});

test("a wrapped error keeps its kind and both texts", () => {
  const wrapped = new Error("read the plan", { cause: new Error("inner", { cause: new Denied("no grant") }) });
  assert.deepEqual([errorOf(wrapped).kind, errorOf(wrapped).message], ["denied", "read the plan: no grant"]);
  assert.deepEqual(new Missing("x").context("read it"), new Missing("read it: x"));
  assert.match(errorOf(new RangeError("far")).message, /^RangeError: far/);
  assert.equal(new Cancelled().message, "the release is being cancelled");
  for (const kind of ["invalid", "denied", "missing", "timed-out", "cancelled", "transient", "permanent", "other"]) assert.equal(named(kind).kind, kind);
  assert.equal(named("of a later world", "x").kind, "other");
});

test("an operation that is async, or answers nonsense, is told", () => {
  const fake = new Fake();
  const odd = (apply: () => unknown): Plugin => definePlugin({ name: "odd", version: "0.1.0", summary: "Odd", apply: apply as never });
  assert.throws(() => fake.apply(odd(async () => ({ summary: "x" })), {}), /apply is async/);
  assert.throws(() => fake.apply(odd(() => 3), {}), /apply answered with number/);
  assert.throws(() => fake.apply(odd(() => ({ summary: "x", receipt: 1 })), {}), /has no schema `receipt`/);
  assert.throws(() => fake.apply(odd(() => ({ summary: "x", outputs: { a: Number.NaN } })), {}), /the outputs cannot be written as JSON/);
});

test("HTTP hides secrets and pulls the body", () => {
  const fake = new Fake().secret("token", "s3cret").answer(201, '{"id":7}', { etag: "x" });
  const came = ran(fake, () => {
    const token = secrets.get("token");
    const response = http.post("https://a.example").bearer(token).basicAuth("me", token).json({ ü: 1 }).timeout(2000).send();
    return [response.status, response.ok, response.header("ETag") ?? null, response.json()];
  });
  assert.deepEqual(came, [201, true, "x", { id: 7 }]);
  assert.deepEqual(fake.calls(), ['POST https://a.example content-type: application/json authorization: Bearer <token> basic me:<token> {"ü":1}']);
  fake.answer(200, "x".repeat(100));
  assert.throws(() => http.get("https://a.example").send().bytes(10), Permanent);
  assert.throws(() => secrets.get("other"), Denied);
});

test("commands give what they wrote", () => {
  const fake = new Fake().command(["git", "log"], { code: 2, stdout: "one", stderr: "two" });
  const output = process.command("git", "log").readonly().output();
  assert.deepEqual([output.code, output.text, output.stderr], [2, "one", new Uint8Array([116, 119, 111])]);
  assert.equal(ran(fake, () => process.command("true").onHost("web1").run()), 0);
  assert.deepEqual(fake.calls(), ["run git log", "run web1: true"]);
  assert.deepEqual(fake.checkpoints(), [null]);
});

test("hosts keep files and links", () => {
  const fake = new Fake().host("web1", { role: "web" }, { root: "/srv" }).host("db1");
  const digest = fake.tree({ "a/index.html": "one" });
  const [web] = hosts.selected("role=web");
  assert.ok(web);
  web.upload(digest, "/srv/r1");
  web.symlink("r1", "/srv/next");
  web.rename("/srv/next", "/srv/current");
  assert.equal(fake.read("web1", "/srv/current/a/index.html"), "one");
  assert.equal(fake.link("web1", "/srv/current"), "r1");
  assert.deepEqual(web.readDir("/srv").map((entry) => entry.name), ["current", "r1"]);
  assert.equal(web.fetch("/srv/r1"), digest);
  assert.equal(web.setting("root"), "/srv");
  web.remove("/srv/r1");
  assert.equal(web.stat("/srv/r1"), undefined);
  assert.throws(() => hosts.host("nobody").readDir("/"), Missing);
});

test("a round goes on where another host fails", () => {
  new Fake().host("a").host("b").command(["probe"], { code: 1 });
  const [first, second] = hosts.all();
  assert.ok(first && second);
  const came = rounds.round().makeDir(first, "/x").run(first, process.command("probe")).makeDir(second, "/x").perform();
  assert.deepEqual(came.map(({ host, error }) => [host.name, error?.message]), [["a", "`probe` ended with exit code 1"], ["b", undefined]]);
  assert.throws(() => rounds.round().run(first, process.command("probe")).performAll(), /^Permanent: a: /);
});

test("a crash leaves the world as it was", () => {
  const fake = new Fake().host("a").crashAfter(1);
  const run = (): void => ["/one", "/two"].forEach((dir) => hosts.host("a").makeDir(dir));
  assert.throws(() => ran(fake, run), Cancelled);
  assert.deepEqual(fake.restart().names("a", "/"), ["one"]);
});

test("a tried request to a cluster changes nothing", () => {
  const fake = new Fake().answer(200).answer(200);
  const shop = kubernetes.namespace("prod", "shop");
  ran(fake, () => shop.request("PATCH", "/api/v1/x?dryRun=All").send().status);
  assert.deepEqual(fake.checkpoints(), []);
  ran(fake, () => shop.request("PATCH", "/api/v1/x").send().status);
  assert.deepEqual(fake.checkpoints(), [null]);
  assert.deepEqual(kubernetes.mark(undefined, "Deployment/shop"), { release: "r1" });
});

test("images are told in the world's words", () => {
  const fake = new Fake();
  const image = { images: [{ platform: "linux/amd64", layers: [{ tree: "t" }], workingDir: "/w" }] };
  const repository = registry.repository("r.example/acme");
  const pushed = repository.push(image);
  repository.tag(pushed.digest, "1.0", { fixed: true });
  assert.deepEqual([pushed.sent, repository.find("1.0")], [1, registry.digest(image)]);
  repository.untag("1.0");
  assert.equal(fake.imageTag("r.example/acme", "1.0"), undefined);
});

test("files lie where the step has them", () => {
  const fake = new Fake().input("work", { "a/b.txt": "ä" }).output("made");
  assert.equal(files.readText("/in/work/a/b.txt"), "ä");
  assert.equal(files.write("/out/made/c", "y"), 1);
  assert.equal(fake.file("/out/made/c"), "y");
  trees.restore(trees.capture("/in/work"), "/tmp/copy");
  assert.deepEqual([files.list("/tmp/copy"), files.type("/tmp/copy/a"), files.type("/none")], [["a"], "dir", undefined]);
  assert.throws(() => files.read("/in/work/none"), Missing);
});

test("context and a planned fault", () => {
  assert.equal(new Fake().unfinished({ id: "1" }) && context.unfinished<{ id: string }>()?.id, "1");
  const fake = new Fake().context({ release: "r9", environment: undefined }).setting("tier", "live").label("a", "b");
  assert.deepEqual([context.release(), context.environment(), context.setting("tier"), context.setting("no"), context.labels()], ["r9", undefined, "live", undefined, { a: "b" }]);
  fake.answer(200).answer(200).fail("GET https://a", new Transient("reset"), { after: 1 });
  assert.equal(http.get("https://a.example").send().status, 200);
  assert.throws(() => http.get("https://a.example").send(), Transient);
  assert.equal(http.get("https://a.example").send().status, 200);
});

test("needs are written as a manifest would", () => {
  assert.equal(need.run(["npm", "run", 'say "hi"'], { network: true }).capability, String.raw`run "npm" "run" "say \"hi\"" network=#true`);
  assert.equal(need.http("https://a.example", { methods: ["GET", "POST"], private: true }).capability, 'http "https://a.example" methods="GET POST" private=#true');
  assert.equal(need.secret("token", { toCommand: "npm", env: "NPM_TOKEN" }).capability, 'secret "token" to-command="npm" env="NPM_TOKEN"');
  assert.equal(need.secret("token", { sign: true }).capability, 'secret "token" sign=#true');
  assert.equal(need.run(["true"], { on: "web*" }).capability, 'run "true" on="web*"');
  assert.equal(need.env("A\u0001").capability, String.raw`env "A\u{1}"`);
  const needs = need.effect({ idempotent: true }, need.host("*", { because: "first" }), need.host("*", { because: "second" }));
  assert.deepEqual(needs.requests, [{ capability: 'host "*"', reason: "first" }]);
});
