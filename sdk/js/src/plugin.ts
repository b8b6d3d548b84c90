/** What a plugin is, and what its operations answer. */

import type { Needs } from "./need.ts";
import type { Empty, Infer, Json, Schema } from "./schema.ts";

/** What an `apply` leaves: one line that says what was done, what other steps may refer to, and what undo needs. */
export interface Outcome<O, R> {
  summary: string;
  outputs?: O;
  receipt?: R | undefined;
}

/** What stands without relrun's doing: a value for each reference that stands in the config as its text, and a receipt. */
export interface Standing<R> {
  summary: string;
  values: Record<string, Json>;
  receipt?: R | undefined;
}

/** One thing that would change, or has drifted: one line, and a unified diff or a longer text. */
export interface Change {
  summary: string;
  detail?: string | undefined;
}

/**
 * How far an interrupted `apply` came. `untouched` can be trusted: the SDK saves an empty checkpoint before the first host call that may change
 * something, unless the plugin saved one. `begun`: it may have changed something, and saved nothing of its own.
 */
export type Came<R> = { state: "untouched" } | { state: "begun" } | { state: "saved"; receipt: R };

/** What `recover` found out. `partly`: what stands, as a receipt that `undo` understands. */
export type Recovery<O, R> = { recovery: "not-done" } | { recovery: "done"; outcome: Outcome<O, R> } | { recovery: "partly"; receipt: R };

/** Whether what a receipt names still stands. */
export type Health = { health: "intact" } | { health: "drifted"; changes: Change[] } | { health: "gone" };

/** A step plugin. Only the three names and `apply` must be there. No operation is `async`: every call of the SDK answers at once. */
export interface Definition<C extends Schema, O extends Schema, R extends Schema> {
  /** Its own name, kebab-case. */
  name: string;
  /** Its version (SemVer 2). */
  version: string;
  /** One line, without a full stop. */
  summary: string;
  /** What a manifest configures. */
  config?: C;
  /** What other steps may refer to as `${step.NAME.KEY}`. */
  outputs?: O;
  /** What undo needs to find what was done; a checkpoint has this shape too. Without it the plugin leaves no receipts. */
  receipt?: R;

  /**
   * Says what this config needs, and reaches nothing; by default nothing, and the step is pure. A reference whose value is not known yet stands
   * in the config as the text `${…}`: a field that may hold one is a string.
   */
  resolve?(config: Infer<C>): Needs;
  /** Says what `apply` would change, and changes nothing; by default no line. */
  plan?(config: Infer<C>): Change[];
  /** Does it. An effect calls `checkpoint` before each change. */
  apply(config: Infer<C>): Outcome<Infer<O>, Infer<R>>;
  /**
   * Says how far an `apply` came that never answered. By default: not done where it was untouched, partly done as its last checkpoint says, and
   * an error where it had begun and saved none, because then nobody can tell.
   */
  recover?(config: Infer<C>, came: Came<Infer<R>>): Recovery<Infer<O>, Infer<R>>;
  /** Says whether what the receipt names still stands, and changes nothing. By default an error that says that it cannot. */
  verify?(config: Infer<C>, receipt: Infer<R>): Health;
  /** Restores what stood before the `apply` that gave the receipt, and says in one line what it did. Twice does no harm. By default an error. */
  undo?(config: Infer<C>, receipt: Infer<R>): string;
  /** Removes the deployment, whatever its history, and says in one line what it did. Twice does no harm. By default an error. */
  destroy?(config: Infer<C>, receipt: Infer<R>): string;
  /** Looks at what stands at the target without relrun's doing, and changes nothing: for `relrun adopt`. By default an error. */
  find?(config: Infer<C>): Standing<Infer<R>>;
}

/** A plugin, its types forgotten: what the component and the tests call. */
// The types of its functions' arguments are checked where it is defined; here they are any JSON.
export type Plugin = Definition<any, any, any>;

/** Defines a plugin. Make it the default export of the entry module. */
export function definePlugin<const C extends Schema = Empty, const O extends Schema = Empty, const R extends Schema = Empty>(plugin: Definition<C, O, R>): Plugin {
  for (const word of ["name", "version", "summary"] as const) {
    if (typeof plugin[word] !== "string") throw new TypeError(`the plugin has no ${word}`);
  }
  if (typeof plugin.apply !== "function") throw new TypeError(`the plugin ${plugin.name} has no apply`);
  return plugin;
}
