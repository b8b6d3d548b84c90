/** Handles of the component, and the host's errors. QuickJS frees handles when a call ends, StarlingMonkey never: so each is disposed here, once. */

import { named, Other, Permanent, type StepError } from "./errors.ts";
import { clean } from "./text.ts";

const open = new Set<{ close(): void }>();

/** Gives back every handle that is still open. */
export function closeAll(): void {
  for (const handle of [...open].reverse()) handle.close();
}

/** A handle that is given back once: a second time would be a trap. */
export class Handle<T> {
  #resource: T | undefined;

  constructor(resource: T) {
    this.#resource = resource;
    open.add(this);
  }

  /** Returns the resource; one that was given back is an error, not a trap. */
  get here(): T {
    if (this.#resource === undefined) throw new Permanent("a handle is used after it was closed");
    return this.#resource;
  }

  close(): void {
    const resource = this.#resource;
    this.#resource = undefined;
    open.delete(this);
    dispose(resource);
  }
}

/** Disposes a resource, whichever symbol the engine keeps that under. */
export function dispose(resource: unknown): void {
  if (typeof resource !== "object" || resource === null) return;
  const known = resource as Record<symbol, unknown>;
  const method = (Symbol.dispose !== undefined ? known[Symbol.dispose] : undefined) ?? known[Symbol.for("dispose")];
  if (typeof method === "function") method.call(resource);
}

/** Calls the host; its error becomes one of ours, with nothing wrapped round it. */
export function ask<T>(call: () => T): T {
  let failed: StepError;
  try {
    return call();
  } catch (thrown) {
    failed = errorFrom(payloadOf(thrown));
  }
  throw failed;
}

/** Returns what the host's error holds: the engines wrap it differently. */
export function payloadOf(thrown: unknown): unknown {
  return typeof thrown === "object" && thrown !== null && "payload" in thrown ? thrown.payload : thrown;
}

/** Returns the error of an error case. */
export function errorFrom(payload: unknown): StepError {
  if (typeof payload === "object" && payload !== null && "tag" in payload && typeof payload.tag === "string") {
    return named(payload.tag, "val" in payload && typeof payload.val === "string" ? payload.val : undefined);
  }
  return new Other(payload instanceof Error ? payload.message : String(payload));
}

/** Returns the error case of an error, as the component's exports throw it. */
export function errorTo(error: StepError): { tag: string; val?: string } {
  return error.kind === "cancelled" ? { tag: "cancelled" } : { tag: error.kind, val: clean(error.message) };
}
