/**
 * Write relrun step plugins in JavaScript or TypeScript.
 *
 * A plugin is what `definePlugin` gives, the default export of its entry module. Its config is a JSON Schema, from which the TypeScript type
 * comes, and which the host checks each manifest against. What it reaches of the world it reaches through the modules of this package.
 */

export * as context from "./context.ts";
export { Cancelled, Denied, type ErrorKind, Invalid, Missing, Other, Permanent, StepError, TimedOut, Transient } from "./errors.ts";
export * as files from "./files.ts";
export { checkpoint } from "./guard.ts";
export * as hosts from "./hosts.ts";
export * as http from "./http.ts";
export * as kubernetes from "./kubernetes.ts";
export * as log from "./log.ts";
export * as need from "./need.ts";
export type { Need, Needs } from "./need.ts";
export type { Came, Change, Definition, Health, Outcome, Plugin, Recovery, Standing } from "./plugin.ts";
export { definePlugin } from "./plugin.ts";
export * as process from "./process.ts";
export * as registry from "./registry.ts";
export * as rounds from "./rounds.ts";
export type { Infer, Json, Schema } from "./schema.ts";
export * as secrets from "./secrets.ts";
export * as text from "./text.ts";
export * as trees from "./trees.ts";
