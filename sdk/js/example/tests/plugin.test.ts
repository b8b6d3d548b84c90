// The plugin on a fake host.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Denied, Invalid, Missing, Other, Permanent, Transient } from "relrun-sdk";
import { Fake } from "relrun-sdk/testing";
import { section, versions } from "../src/changelog.ts";
import plugin from "../src/plugin.ts";

const CHANGELOG = "# Changelog\n\n## [1.0.0] - 2026-11-21\n\n- Wörks.\n\n## v0.9.0\n- Old.\n\n[1.0.0]: https://a.example\n";
const URL = "https://hooks.example/notes";
const JSON_TYPE = { "content-type": "application/json" };
const given = { url: URL, text: "Out now", token: "hook" };
const posted = { url: URL, text: "Out now", id: "7" };
const world = (): Fake => new Fake().secret("hook", "s3cret");

test("a version's section is picked out of a changelog", () => {
  assert.equal(section(CHANGELOG, "1.0.0"), "- Wörks.");
  assert.equal(section(CHANGELOG, "v0.9.0"), "- Old.");
  assert.equal(section(CHANGELOG, "0.8.0"), undefined);
  assert.deepEqual(versions(CHANGELOG), ["1.0.0", "0.9.0"]);
});

test("the note is posted with the secret, and its id is kept", () => {
  const fake = world().input("work", { "CHANGELOG.md": CHANGELOG }).answer(201, '{"id":7}', JSON_TYPE);
  const config = { url: URL, changelog: "CHANGELOG.md", token: "hook", field: { channel: "releases" } };
  const answer = fake.apply(plugin, config);
  assert.deepEqual([answer.summary, answer.outputs], ["posted the note 7", { status: 201, id: "7" }]);
  const body = '{"channel":"releases","package":"acme/shop","version":"1.0.0","environment":"test","text":"- Wörks."}';
  const head = `POST ${URL} idempotency-key: ${"0".repeat(64)} content-type: application/json authorization: Bearer <hook>`;
  assert.deepEqual(fake.calls(), [`${head} ${body}`]);
  assert.deepEqual(fake.checkpoints(), [{ url: URL, text: "- Wörks." }, { url: URL, text: "- Wörks.", id: "7" }]);
  assert.match(fake.plan(plugin, config)[0]?.detail ?? "", /"channel": "releases"/);
});

test("what the webhook answers decides whether another try may help", () => {
  const kinds = { 429: Transient, 503: Transient, 401: Denied, 404: Missing, 422: Permanent };
  for (const [status, kind] of Object.entries(kinds)) {
    assert.throws(() => world().answer(Number(status), "no").apply(plugin, given), kind);
  }
  assert.throws(() => world().apply(plugin, given), Transient, "nobody listens");
});

test("undo deletes the note, or edits it, and twice does no harm", () => {
  const fake = world().answer(204).answer(404).answer(200);
  assert.equal(fake.undo(plugin, given, posted).summary, "deleted the note 7");
  assert.equal(fake.undo(plugin, given, posted).summary, "deleted the note 7");
  assert.equal(fake.undo(plugin, { ...given, withdraw: "edit" }, posted).summary, "withdrew the note 7");
  assert.deepEqual(fake.calls().map((call) => call.split(" ", 2)), [["DELETE", `${URL}/7`], ["DELETE", `${URL}/7`], ["PATCH", `${URL}/7`]]);
  assert.equal(fake.undo(plugin, given, { url: URL, text: "x" }).summary, "the webhook gave the note no id: it stays");
  assert.throws(() => world().answer(500).undo(plugin, given, posted), Transient);
});

test("verify tells a note that stands from one that changed or is gone", () => {
  const fake = world().answer(200, '{"text":"Out now"}').answer(200, '{"text":"Other"}').answer(410);
  assert.deepEqual(fake.verify(plugin, given, posted), { health: "intact" });
  assert.equal(fake.verify(plugin, given, posted).health, "drifted");
  assert.deepEqual(fake.verify(plugin, given, posted), { health: "gone" });
  assert.throws(() => fake.verify(plugin, given, { url: URL, text: "x" }), Permanent);
});

test("a crash is recovered from where that can be told", () => {
  const fake = world();
  assert.equal(fake.recover(plugin, given).kind, "not-done");
  assert.deepEqual(fake.recover(plugin, given, posted).answer?.receipt, posted);
  assert.throws(() => fake.recover(plugin, given, { url: URL, text: "x" }), Other);
});

test("it asks for its webhook and its secret, and for one text", () => {
  const needs = world().resolve(plugin, { ...given, idempotent: true });
  const capabilities = needs.requests.map((request) => request.capability);
  assert.deepEqual(capabilities, ['http "https://hooks.example" methods="GET POST PATCH DELETE"', 'secret "hook" to="https://hooks.example"']);
  assert.equal(needs.idempotent, true);
  assert.throws(() => world().resolve(plugin, { url: URL }), Invalid);
  assert.throws(() => world().resolve(plugin, { ...given, changelog: "x" }), Invalid);
  assert.throws(() => world().input("work", { c: CHANGELOG }).apply(plugin, { url: URL, changelog: "c", version: "3" }), /has no heading `## 3`; it has 1.0.0, 0.9.0/);
  assert.throws(() => world().apply(plugin, { url: "ftp://x", text: "x" }), Invalid);
});
