/** Texts and bytes. Every text that is handed to the host must be Unicode: a lone surrogate would be a trap. */

import { Invalid } from "./errors.ts";

const SURROGATE = /[\uD800-\uDFFF]/;
const LONE = /[\uD800-\uDFFF]/u;
const PAIR_ALL = /[\uD800-\uDBFF][\uDC00-\uDFFF]/g;
const LONE_ALL = /[\uD800-\uDFFF]/gu;
const PIECE = 8192;
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
  const { length } = text;
  const out = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return encodeFrom(text, index, out);
    out[index] = unit;
  }
  return out;
}

/** Goes on where the first code point that is no ASCII stands. */
function encodeFrom(text: string, start: number, ascii: Uint8Array): Uint8Array {
  const { length } = text;
  const out = new Uint8Array(start + (length - start) * 3);
  out.set(ascii.subarray(0, start));
  let at = start;
  for (let index = start; index < length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) {
      out[at++] = unit;
    } else if (unit < 0x800) {
      out[at++] = 0xc0 | (unit >> 6);
      out[at++] = 0x80 | (unit & 0x3f);
    } else {
      const point = text.codePointAt(index) ?? 0;
      if (point > 0xffff) index += 1;
      at = put(out, at, point >= 0xd800 && point <= 0xdfff ? 0xfffd : point);
    }
  }
  return out.slice(0, at);
}

/** Puts a code point of three or four bytes. */
function put(out: Uint8Array, start: number, point: number): number {
  let at = start;
  if (point > 0xffff) {
    out[at++] = 0xf0 | (point >> 18);
    out[at++] = 0x80 | ((point >> 12) & 0x3f);
  } else {
    out[at++] = 0xe0 | (point >> 12);
  }
  out[at++] = 0x80 | ((point >> 6) & 0x3f);
  out[at++] = 0x80 | (point & 0x3f);
  return at;
}

/** Returns the text of bytes in UTF-8. What is no UTF-8 is an error if `fatal`, else U+FFFD. */
export function decode(bytes: Uint8Array, fatal = true): string {
  const pieces: string[] = [];
  const units = new Uint16Array(PIECE + 1);
  const { length } = bytes;
  let filled = 0;
  let at = 0;
  while (at < length) {
    const first = bytes[at] as number;
    if (first < 0x80) {
      units[filled++] = first;
      at += 1;
    } else {
      const more = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
      const known = followers(bytes, at, first, more);
      if (known < more || more === 0) {
        if (fatal) throw new Invalid(`byte ${at} is no UTF-8`);
        units[filled++] = 0xfffd;
        at += known + 1;
      } else {
        filled = fill(units, filled, bytes, at, more);
        at += more + 1;
      }
    }
    if (filled >= PIECE) {
      pieces.push(String.fromCharCode.apply(null, units.subarray(0, filled) as unknown as number[]));
      filled = 0;
    }
  }
  pieces.push(String.fromCharCode.apply(null, units.subarray(0, filled) as unknown as number[]));
  return pieces.join("");
}

/** Returns how many of the bytes that must follow a first one do: too long forms, halves of pairs and what is beyond Unicode have none. */
function followers(bytes: Uint8Array, at: number, first: number, more: number): number {
  const second = bytes[at + 1] ?? 0;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (more === 0 || second < least || second > most) return 0;
  let known = 1;
  while (known < more && ((bytes[at + known + 1] ?? 0) & 0xc0) === 0x80) known += 1;
  return known;
}

/** Puts the units of a code point of two to four bytes. */
function fill(units: Uint16Array, filled: number, bytes: Uint8Array, at: number, more: number): number {
  const first = bytes[at] ?? 0;
  const second = (bytes[at + 1] ?? 0) & 0x3f;
  const third = (bytes[at + 2] ?? 0) & 0x3f;
  const fourth = (bytes[at + 3] ?? 0) & 0x3f;
  if (more < 3) {
    units[filled] = more === 1 ? ((first & 0x1f) << 6) | second : ((first & 0x0f) << 12) | (second << 6) | third;
    return filled + 1;
  }
  const above = (((first & 0x07) << 18) | (second << 12) | (third << 6) | fourth) - 0x10000;
  units[filled] = 0xd800 + (above >> 10);
  units[filled + 1] = 0xdc00 + (above & 0x3ff);
  return filled + 2;
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
