/** Which release this is. A pure step gets empty answers and an attempt of 1. */

import { current } from "./host.ts";
import type { Json } from "./schema.ts";

/** Returns the package, `owner/name`. */
export const packageName = (): string => current().fact("packageName");
/** Returns the package's version, or its rule where none is claimed yet. */
export const version = (): string => current().fact("version");
/** Returns the release's id, `r7`. */
export const release = (): string => current().fact("release");
/** Returns the step's name. */
export const step = (): string => current().fact("step");
/** Returns the attempt, counted from 1. */
export const attempt = (): number => current().fact("attempt");
/** Returns the key that is stable over all retries of one step in one release: 64 hexadecimal digits. */
export const idempotencyKey = (): string => current().fact("idempotencyKey");
/** Returns the environment's name, where the step is bound to one. */
export const environment = (): string | undefined => current().fact("environment");
/** Returns the deployment's name; by default the package's. */
export const deployment = (): string | undefined => current().fact("deployment");
/** Returns the environment's labels. */
export const labels = (): Record<string, string> => Object.fromEntries(current().labels());
/** Returns what the environment sets under this name, as text. */
export const setting = (name: string): string | undefined => current().setting(name);
/** Returns the moment the release began, in seconds since the Unix epoch; 0 for a pure step. */
export const startedAt = (): number => current().fact("startedAt");

/** Returns what this deployment's last `apply` left as its receipt. */
export function previous<R = Json>(): R | undefined {
  return receiptOf<R>(current().fact("previous"));
}

/**
 * Returns the last checkpoint of an earlier attempt of this `apply` in this release that did not end well and was not undone: what stands at the
 * target is partly this release's own doing then, and what stood before it is what that checkpoint says.
 */
export function unfinished<R = Json>(): R | undefined {
  return receiptOf<R>(current().fact("unfinished"));
}

/** Reads a receipt; null is the empty checkpoint that the guard saves. */
function receiptOf<R>(text: string | undefined): R | undefined {
  return text === undefined ? undefined : ((JSON.parse(text) as R | null) ?? undefined);
}
