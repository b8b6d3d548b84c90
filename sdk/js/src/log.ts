/** Lines and progress for the people who watch. In a component, `console` writes here too. */

import { current } from "./host.ts";

/** Writes a line for the plugin's author. */
export const trace = (message: string): void => current().log("trace", message);
/** Writes a line for who looks for a fault. */
export const debug = (message: string): void => current().log("debug", message);
/** Writes a line for who watches. */
export const info = (message: string): void => current().log("info", message);
/** Writes a line about something to look at. */
export const warn = (message: string): void => current().log("warn", message);
/** Writes a line about something wrong. */
export const error = (message: string): void => current().log("error", message);
/** Says how far something has come; `total` is left out while it is not known. */
export const progress = (what: string, done: number, total?: number): void => current().progress(what, done, total);
