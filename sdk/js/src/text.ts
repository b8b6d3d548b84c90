/** Texts and bytes. Every text that is handed to the host must be Unicode: a lone surrogate would be a trap. */

import { Invalid } from "./errors.ts";
import * as utf8 from "./utf8.ts";

const SURROGATE = /[\uD800-\uDFFF]/;
const LONE = /[\uD800-\uDFFF]/u;
const PAIR_ALL = /[\uD800-\uDBFF][\uDC00-\uDFFF]/g;
const LONE_ALL = /[\uD800-\uDFFF]/gu;
/** No host reads JSON that is nested deeper than a little more than this. */
const MAX_DEPTH = 120;

/** Returns whether a text has half a pair. An engine that can say so by itself is quicker. */
function isLone(text: string): boolean {
  const known = text as string & { isWellFormed?: () => boolean };
  return known.isWellFormed === undefined ? SURROGATE.test(text) && LONE.test(text) : !known.isWellFormed();
}

/** Returns a text for people, its lone surrogates replaced. */
export function clean(text: unknown): string {
  const known = String(text);
  return isLone(known) ? known.replace(LONE_ALL, "\uFFFD") : known;
}

/** Returns a text as it is; one that is none, or no Unicode, is refused. */
export function wellFormed(text: unknown): string {
  if (typeof text !== "string") throw new Invalid(`expected a text, found ${text === null ? "null" : typeof text}`);
  if (isLone(text)) throw new Invalid("a text that is no Unicode: it has a lone surrogate");
  return text;
}

/** Returns a value as a JSON text that every host can read. */
export function jsonOf(value: unknown, what: string): string {
  const refuse = (why: string): never => {
    throw new Invalid(`${what} cannot be written as JSON: ${why}`);
  };
  const check = (key: string, one: unknown): unknown => {
    if (isLone(key) || (typeof one === "string" && isLone(one))) refuse("a text that is no Unicode");
    if (typeof one === "number" && !Number.isFinite(one)) refuse(`${one} is no number of JSON`);
    if (typeof one === "bigint" || typeof one === "function" || typeof one === "symbol") refuse(`a ${typeof one} is no value of JSON`);
    return one;
  };
  if (depthOf(value, MAX_DEPTH) < 0) refuse(`it is nested deeper than ${MAX_DEPTH}, or in itself`);
  try {
    return JSON.stringify(value === undefined ? null : value, check);
  } catch (error) {
    if (error instanceof Invalid) throw error;
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

/** Returns how much of a depth a value leaves, less than 0 where it is deeper: the engine's own recursion would be a trap. */
function depthOf(value: unknown, left: number): number {
  if (typeof value !== "object" || value === null || left < 0) return left;
  let least = left;
  for (const one of Object.values(value)) {
    least = Math.min(least, depthOf(one, left - 1));
    if (least < 0) return least;
  }
  return least;
}

/** Returns how many code points a text has. */
export function points(text: string): number {
  // Taking the pairs out is the engine's own work, and quick; counting them here is not.
  return SURROGATE.test(text) ? text.length - (text.length - text.replace(PAIR_ALL, "").length) / 2 : text.length;
}

/** Returns a text in UTF-8. Lone surrogates become U+FFFD, as `TextEncoder` has it. */
export function encode(text: string): Uint8Array {
  return utf8.encode(text) ?? utf8.encodeByHand(text);
}

/** Returns the text of bytes in UTF-8. What is no UTF-8 is an error if `fatal`, else U+FFFD. */
export function decode(bytes: Uint8Array, fatal = true): string {
  return utf8.decode(bytes) ?? utf8.decodeByHand(bytes, fatal);
}

/** Returns bytes as they are, and a text in UTF-8. */
export function bytesOf(data: Uint8Array | string): Uint8Array {
  return typeof data === "string" ? encode(wellFormed(data)) : data;
}

/** Returns pieces as one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
