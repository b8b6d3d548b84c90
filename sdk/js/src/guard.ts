/**
 * Checkpoints, and the guard that makes "no checkpoint: nothing was changed" true.
 *
 * While an effect's `apply` runs, the first host call that may change something saves an empty checkpoint, unless the plugin saved one of its own
 * before. So a crash never leaves a changed world behind an empty ledger.
 */

import { current } from "./host.ts";
import { jsonOf } from "./text.ts";

let isArmed = false;

/**
 * Records how far an `apply` has come; durable when it returns. Call it before each change: the last one is what `recover` and `undo` get after
 * a crash. It has the type of the receipt.
 */
export function checkpoint(state: unknown): void {
  current().saveCheckpoint(jsonOf(state, "the checkpoint"));
  isArmed = false;
}

/** Runs an effect's `apply` under the guard. */
export function armed<T>(run: () => T): T {
  isArmed = true;
  try {
    return run();
  } finally {
    isArmed = false;
  }
}

/** Says that the next host call may change something. */
export function mutation(): void {
  if (isArmed) checkpoint(null);
}
