/** The component's exports: each hands its texts to the operations and turns the answer into the world's types. */

import { errorTo } from "./component-handles.ts";
import { componentHost } from "./component-host.ts";
import { errorOf } from "./errors.ts";
import { use } from "./host.ts";
import type { Needs } from "./need.ts";
import * as operations from "./operations.ts";
import type { Change, Health, Plugin } from "./plugin.ts";
import { install } from "./polyfills.ts";
import { clean } from "./text.ts";

install(globalThis as unknown as Record<string, unknown>);

/** Runs an operation; what it throws becomes the error case that the host reads. */
function answered<T>(call: () => T): T {
  // Not before: while the component is built there is no host, and a call would end the build with nothing that an author could read.
  use(componentHost);
  let failed: { tag: string; val?: string };
  try {
    return operations.guarded(call);
  } catch (thrown) {
    failed = errorTo(errorOf(thrown));
  }
  // The bare case, no Error: both engines take anything else that is thrown for a trap.
  throw failed;
}

function outcomeOf(answer: operations.Answer): unknown {
  return { summary: clean(answer.summary), outputs: answer.outputs, receipt: answer.receipt ?? null };
}

function changeOf(change: Change): unknown {
  return { summary: clean(change.summary), detail: change.detail === undefined || change.detail === null ? null : clean(change.detail) };
}

function needsOf({ kind, idempotent, requests }: Needs): unknown {
  return { kind, idempotent, requests: requests.map((need) => ({ capability: clean(need.capability), reason: clean(need.reason ?? "") })) };
}

function healthOf(found: Health): unknown {
  return found.health === "drifted" ? { tag: "drifted", val: found.changes.map(changeOf) } : { tag: found.health };
}

function recovered(found: operations.Found): unknown {
  if (found.kind === "done") return { tag: "done", val: outcomeOf(found.answer) };
  return found.kind === "partly" ? { tag: "partly", val: found.receipt } : { tag: "not-done" };
}

/** Returns the interfaces that a plugin's component exports. */
export function exported(plugin: Plugin): { step: object; adoption: object } {
  if (typeof plugin !== "object" || plugin === null || typeof plugin.apply !== "function") {
    throw new TypeError("the entry module has no plugin: write `export default definePlugin({ … })`");
  }
  // What cannot be described fails the build, not the first release.
  const known = operations.describe(plugin);
  // What an operation answered is put into the world's types where a mistake in it is caught, too.
  const step = {
    describe: () => known,
    resolve: (config: string) => answered(() => needsOf(operations.resolve(plugin, config))),
    plan: (config: string) => answered(() => operations.plan(plugin, config).map(changeOf)),
    apply: (config: string) => answered(() => outcomeOf(operations.apply(plugin, config))),
    recover: (config: string, checkpoint: string | null | undefined) => answered(() => recovered(operations.recover(plugin, config, checkpoint ?? undefined))),
    verify: (config: string, receipt: string) => answered(() => healthOf(operations.verify(plugin, config, receipt))),
    undo: (config: string, receipt: string) => answered(() => outcomeOf(operations.undo(plugin, config, receipt))),
    destroy: (config: string, receipt: string) => answered(() => outcomeOf(operations.destroy(plugin, config, receipt))),
  };
  const adoption = { find: (config: string) => answered(() => outcomeOf(operations.find(plugin, config))) };
  return { step, adoption };
}
