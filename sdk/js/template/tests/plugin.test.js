// The plugin's logic on a fake host, without a component: `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Invalid } from "relrun-sdk";
import { Fake } from "relrun-sdk/testing";
import plugin from "../src/plugin.js";

test("it greets whom it is told to", () => {
  const fake = new Fake().output("greeting");
  const answer = fake.apply(plugin, { who: "World" });
  assert.deepEqual([answer.summary, answer.outputs], ["greeted World", { bytes: 13 }]);
  assert.equal(fake.file("/out/greeting/index.txt"), "Hello World!\n");
  assert.deepEqual(fake.lines(), ["info: greeting World"]);
});

test("it refuses nobody", () => {
  assert.throws(() => new Fake().apply(plugin, { who: "" }), Invalid);
});
