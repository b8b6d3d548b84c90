/** The operations between the world's JSON texts and a plugin's types. Knows no binding: component and tests run the same code. */

import { errorOf, Invalid, Missing, Other, Permanent, type StepError } from "./errors.ts";
import { armed } from "./guard.ts";
import { current } from "./host.ts";
import { type Needs, pure } from "./need.ts";
import type { Came, Change, Health, Outcome, Plugin, Recovery, Standing } from "./plugin.ts";
import { read, type Schema, told, written } from "./schema.ts";
import { jsonOf } from "./text.ts";

const EMPTY: Schema = { properties: {} };
const CONFIG = { strict: true, rename: true };
const RECEIPT = { strict: false, rename: false };

/** A plugin's description, its schemas as JSON texts. */
export interface Description {
  name: string;
  version: string;
  summary: string;
  configSchema: string;
  outputsSchema: string;
}

/** An outcome, its parts as JSON texts. */
export interface Answer {
  summary: string;
  outputs: string;
  receipt?: string;
}

/** A recovery, its parts as JSON texts. */
export type Found = { kind: "not-done" } | { kind: "done"; answer: Answer } | { kind: "partly"; receipt: string };

/** Runs an operation; whatever it throws leaves as one of the world's errors, and every handle is given back. */
export function guarded<T>(call: () => T): T {
  let failed: StepError;
  try {
    return call();
  } catch (thrown) {
    failed = errorOf(thrown);
  } finally {
    current().closeAll();
  }
  throw failed;
}

export function describe(plugin: Plugin): Description {
  const schema = (one: unknown, what: string): string => jsonOf(told((one ?? EMPTY) as Schema), what);
  const { name, version, summary } = plugin;
  return { name, version, summary, configSchema: schema(plugin.config, "the config's schema"), outputsSchema: schema(plugin.outputs, "the outputs' schema") };
}

export function resolve(plugin: Plugin, config: string): Needs {
  return resolved(plugin, configOf(plugin, config));
}

function resolved(plugin: Plugin, config: never): Needs {
  const needs = plugin.resolve === undefined ? pure() : plugin.resolve(config);
  const isWhole = isObject(needs) && ["pure", "effect"].includes(needs.kind) && typeof needs.idempotent === "boolean" && Array.isArray(needs.requests);
  if (!isWhole) throw answered("resolve", needs, "what need.pure or need.effect gives");
  for (const need of needs.requests) {
    if (typeof need?.capability !== "string") throw answered("resolve", need, "a need");
  }
  return needs;
}

export function plan(plugin: Plugin, config: string): Change[] {
  const read = configOf(plugin, config);
  return changesOf(plugin.plan === undefined ? [] : plugin.plan(read), "plan");
}

export function apply(plugin: Plugin, config: string): Answer {
  const read = configOf(plugin, config);
  const run = (): Outcome<unknown, unknown> => plugin.apply(read);
  const outcome = resolved(plugin, read).kind === "effect" ? armed(run) : run();
  return answerOf(plugin, outcome, "apply");
}

export function recover(plugin: Plugin, config: string, checkpoint: string | undefined): Found {
  const receipt = checkpoint === undefined ? undefined : receiptOf(plugin, checkpoint);
  const came: Came<never> = checkpoint === undefined ? { state: "untouched" } : receipt === null ? { state: "begun" } : { state: "saved", receipt: receipt as never };
  const found: Recovery<unknown, unknown> = plugin.recover === undefined ? recoveryOf(came) : plugin.recover(configOf(plugin, config), came);
  if (!isObject(found)) throw answered("recover", found, "a recovery");
  if (found.recovery === "done") return { kind: "done", answer: answerOf(plugin, found.outcome, "recover") };
  if (found.recovery === "partly") return { kind: "partly", receipt: jsonOf(found.receipt, "the receipt") };
  if (found.recovery !== "not-done") throw answered("recover", found, "not-done, done or partly");
  return { kind: "not-done" };
}

function recoveryOf(came: Came<never>): Recovery<unknown, unknown> {
  if (came.state === "untouched") return { recovery: "not-done" };
  if (came.state === "saved") return { recovery: "partly", receipt: came.receipt };
  throw new Other("it had begun to change something, and left no checkpoint that tells how far it came");
}

export function verify(plugin: Plugin, config: string, receipt: string): Health {
  // A plugin that leaves no receipts may still be able to look.
  const known = leavesNothing(plugin) ? {} : receiptOf(plugin, receipt);
  if (known === null) throw unrecorded(plugin);
  if (plugin.verify === undefined) throw new Permanent(`${plugin.name} cannot verify what it did`);
  const health = plugin.verify(configOf(plugin, config), known as never);
  if (!isObject(health) || !["intact", "drifted", "gone"].includes(health.health)) throw answered("verify", health, "intact, drifted or gone");
  return health.health === "drifted" ? { health: "drifted", changes: changesOf(health.changes, "verify") } : health;
}

export function undo(plugin: Plugin, config: string, receipt: string): Answer {
  const words = { operation: "undo", nothing: "nothing that can be undone was recorded", cannot: "cannot undo what it did" };
  return takenBack(plugin, plugin.undo, config, receipt, words);
}

export function destroy(plugin: Plugin, config: string, receipt: string): Answer {
  const words = { operation: "destroy", nothing: "nothing that can be removed was recorded", cannot: "cannot remove what it deployed" };
  return takenBack(plugin, plugin.destroy, config, receipt, words);
}

export function find(plugin: Plugin, config: string): Answer {
  const read = configOf(plugin, config);
  if (plugin.find === undefined) throw new Missing(`${plugin.name} cannot take over what stands without relrun's doing`);
  const standing: Standing<unknown> = plugin.find(read);
  if (!isObject(standing)) throw answered("find", standing, "what stands");
  const answer = { summary: String(standing.summary), outputs: jsonOf(standing.values ?? {}, "the values") };
  return standing.receipt === undefined ? answer : { ...answer, receipt: jsonOf(standing.receipt, "the receipt") };
}

type TakingBack = ((config: never, receipt: never) => string) | undefined;

function takenBack(plugin: Plugin, call: TakingBack, config: string, receipt: string, words: { operation: string; nothing: string; cannot: string }): Answer {
  const known = receiptOf(plugin, receipt);
  if (known === null) {
    if (leavesNothing(plugin)) return { summary: words.nothing, outputs: "{}" };
    throw unrecorded(plugin);
  }
  if (call === undefined) throw new Permanent(`${plugin.name} ${words.cannot}`);
  const summary = call.call(plugin, configOf(plugin, config), known as never);
  if (typeof summary !== "string") throw answered(words.operation, summary, "one line");
  return { summary, outputs: "{}" };
}

function configOf(plugin: Plugin, text: string): never {
  return read((plugin.config ?? EMPTY) as Schema, parsed(text, "config", Invalid), "config", CONFIG) as never;
}

/** Reads a receipt; null is the empty checkpoint that the guard saves. Unknown fields may be a newer version's. */
function receiptOf(plugin: Plugin, text: string): unknown {
  const value = parsed(text, "receipt", Permanent);
  if (value === null) return null;
  try {
    return read((plugin.receipt ?? EMPTY) as Schema, value, "receipt", RECEIPT);
  } catch (error) {
    throw error instanceof Invalid ? new Permanent(error.message) : error;
  }
}

function parsed(text: string, what: string, Kind: new (message: string) => StepError): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Kind(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function leavesNothing(plugin: Plugin): boolean {
  return plugin.receipt === undefined;
}

function unrecorded(plugin: Plugin): Permanent {
  return new Permanent(`${plugin.name} had begun to change something, and recorded nothing that says what`);
}

function answerOf(plugin: Plugin, outcome: Outcome<unknown, unknown>, where: string): Answer {
  if (!isObject(outcome) || typeof outcome.summary !== "string") throw answered(where, outcome, "an outcome with a summary");
  const outputs = jsonOf(written((plugin.outputs ?? EMPTY) as Schema, outcome.outputs ?? {}), "the outputs");
  const { receipt } = outcome;
  if (receipt === undefined || receipt === null) return { summary: outcome.summary, outputs };
  if (leavesNothing(plugin)) throw new Permanent(`${where} left a receipt, but the plugin ${plugin.name} has no schema \`receipt\``);
  return { summary: outcome.summary, outputs, receipt: jsonOf(receipt, "the receipt") };
}

function changesOf(changes: unknown, where: string): Change[] {
  if (!Array.isArray(changes)) throw answered(where, changes, "a list of changes");
  return changes.map((change: Change) => {
    if (!isObject(change) || typeof change.summary !== "string") throw answered(where, change, "a change with a summary");
    return change;
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !isPromise(value);
}

function isPromise(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

function answered(where: string, value: unknown, expected: string): Permanent {
  if (isPromise(value)) return new Permanent(`${where} is async, which no operation can be: every call of the SDK answers at once`);
  return new Permanent(`${where} answered with ${value === null ? "null" : typeof value}, expected ${expected}`);
}
