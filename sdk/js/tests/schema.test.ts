// Configs: a schema to what the host is told, JSON to the typed value.

import assert from "node:assert/strict";
import { test } from "node:test";
import { definePlugin, type Infer, Invalid, type Schema } from "relrun-sdk";
import { read, told, written } from "relrun-sdk/schema";

const schema = {
  properties: {
    part: {
      type: "array",
      description: "The parts.",
      items: {
        properties: {
          name: { type: "string", minLength: 1, maxLength: 5 },
          size: { type: "integer", minimum: 1, maximum: 9, default: 1 },
        },
        required: ["name"],
        "x-args": ["name", "size"],
      },
    },
    mode: { enum: ["check", "write"], default: "check" },
    keepDays: { anyOf: [{ type: "number" }, { type: "null" }] },
    tag: { type: "string", pattern: "^v", default: "v1" },
    env: { additionalProperties: { type: "string" } },
    anything: {},
  },
  required: ["part"],
} as const satisfies Schema;

type Config = Infer<typeof schema>;

const config = (value: unknown): Config => read(schema, value, "config", { strict: true, rename: true }) as Config;

test("names, bounds and arguments are told as the host reads them", () => {
  const out = told(schema) as any;
  assert.deepEqual([out.type, out.required, out.additionalProperties], ["object", ["part"], false]);
  assert.deepEqual(out.properties.part.items["x-args"], ["name", "size"]);
  assert.equal(out.properties.part.items.additionalProperties, false);
  assert.ok("keep-days" in out.properties);
  assert.deepEqual(out.properties.env, { type: "object", additionalProperties: { type: "string" } });
});

test("a config is read into its type, with defaults", () => {
  const given: Config = config({ part: [{ name: "a" }, { name: "ä", size: 2 }], "keep-days": 2.5, env: { A: "b" }, anything: [1] });
  const sizes: number[] = given.part.map((part) => part.size);
  assert.deepEqual(sizes, [1, 2]);
  assert.deepEqual([given.keepDays, given.mode, given.tag, given.env, given.anything], [2.5, "check", "v1", { A: "b" }, [1]]);
});

test("a wrong config is told with its place", () => {
  const wrong: [message: string, value: unknown][] = [
    ["config: missing field `part`", {}],
    ["config: expected an object, found 3", 3],
    ["config.part: expected a list, found 3", { part: 3 }],
    ["config.part[0]: missing field `name`", { part: [{}] }],
    ["config.part[0].size: expected a whole number, found true", { part: [{ name: "a", size: true }] }],
    ["config.part[0].size: expected at most 9, found 10", { part: [{ name: "a", size: 10 }] }],
    ["config.part[0].name: expected a length of at least 1, found 0", { part: [{ name: "" }] }],
    ['config.mode: expected one of "check", "write", found "no"', { part: [], mode: "no" }],
    ['config.tag: "1" does not match ^v', { part: [], tag: "1" }],
    ["config.env.A: expected a text, found 1", { part: [], env: { A: 1 } }],
    ["config.keep-days: expected a number, found \"x\"", { part: [], "keep-days": "x" }],
    ["config: unknown field `keepDays`, expected one of `part`, `mode`, `keep-days`, `tag`, `env`, `anything`", { part: [], keepDays: 1 }],
  ];
  for (const [message, value] of wrong) assert.throws(() => config(value), new Invalid(message), message);
});

test("what is written has the names that others read", () => {
  const out = written({ properties: { howMany: { type: "integer" }, each: { items: { properties: { isNew: {} } } } } }, { howMany: 1, each: [{ isNew: true }], other: { aB: 1 } });
  assert.deepEqual(out, { "how-many": 1, each: [{ "is-new": true }], other: { aB: 1 } });
});

test("types follow from the schema", () => {
  definePlugin({
    name: "typed",
    version: "0.1.0",
    summary: "Has types",
    config: schema,
    receipt: { properties: { id: { type: "string" } }, required: ["id"] },
    apply(config) {
      const mode: "check" | "write" = config.mode;
      const days: number | null | undefined = config.keepDays;
      // @ts-expect-error there is no such field
      void config.nothing;
      return { summary: `${mode} ${days}`, receipt: { id: "1" } };
    },
    undo(_, receipt) {
      const id: string = receipt.id;
      return id;
    },
  });
  // @ts-expect-error a plugin has a summary
  assert.throws(() => definePlugin({ name: "x", version: "0.1.0", apply: () => ({ summary: "" }) }), /has no summary/);
});
