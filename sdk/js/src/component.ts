/** The component's exports: each hands its texts to the operations and turns the answer into the world's types. */

import { errorTo } from "./component-handles.ts";
import { componentHost } from "./component-host.ts";
import { errorOf } from "./errors.ts";
import { use } from "./host.ts";
import * as operations from "./operations.ts";
import type { Change, Plugin } from "./plugin.ts";
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
  const step = {
    describe: () => known,
    resolve: (config: string) => {
      const { kind, idempotent, requests } = answered(() => operations.resolve(plugin, config));
      return { kind, idempotent, requests: requests.map((need) => ({ capability: clean(need.capability), reason: clean(need.reason) })) };
    },
    plan: (config: string) => answered(() => operations.plan(plugin, config)).map(changeOf),
    apply: (config: string) => outcomeOf(answered(() => operations.apply(plugin, config))),
    recover: (config: string, checkpoint: string | null | undefined) => recovered(answered(() => operations.recover(plugin, config, checkpoint ?? undefined))),
    verify: (config: string, receipt: string) => {
      const found = answered(() => operations.verify(plugin, config, receipt));
      return found.health === "drifted" ? { tag: "drifted", val: found.changes.map(changeOf) } : { tag: found.health };
    },
    undo: (config: string, receipt: string) => outcomeOf(answered(() => operations.undo(plugin, config, receipt))),
    destroy: (config: string, receipt: string) => outcomeOf(answered(() => operations.destroy(plugin, config, receipt))),
  };
  const adoption = { find: (config: string) => outcomeOf(answered(() => operations.find(plugin, config))) };
  return { step, adoption };
}
