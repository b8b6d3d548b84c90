/** Texts and bytes. Every text that is handed to the host must be Unicode: a lone surrogate would be a trap. */

import { Invalid } from "./errors.ts";

const LONE = /[\uD800-\uDFFF]/u;
const LONE_ALL = /[\uD800-\uDFFF]/gu;
const PIECE = 8192;
/** No host reads JSON that is nested deeper than a little more than this. */
const MAX_DEPTH = 120;

/** Returns a text for people, its lone surrogates replaced. */
export function clean(text: unknown): string {
  return String(text).replace(LONE_ALL, "\uFFFD");
}

/** Returns a text as it is; one that is none, or no Unicode, is refused. */
export function wellFormed(text: unknown): string {
  if (typeof text !== "string") throw new Invalid(`expected a text, found ${text === null ? "null" : typeof text}`);
  if (LONE.test(text)) throw new Invalid("a text that is no Unicode: it has a lone surrogate");
  return text;
}

/** Returns a value as a JSON text that every host can read. */
export function jsonOf(value: unknown, what: string): string {
  const refuse = (why: string): never => {
    throw new Invalid(`${what} cannot be written as JSON: ${why}`);
  };
  const check = (key: string, one: unknown): unknown => {
    if (LONE.test(key) || (typeof one === "string" && LONE.test(one))) refuse("a text that is no Unicode");
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

/** Returns a text in UTF-8. Lone surrogates become U+FFFD, as `TextEncoder` has it. */
export function encode(text: string): Uint8Array {
  const out = new Uint8Array(lengthOf(text));
  let at = 0;
  for (let index = 0; index < text.length; index += 1) {
    const point = pointAt(text, index);
    if (point > 0xffff) index += 1;
    at = put(out, at, point);
  }
  return out;
}

function pointAt(text: string, index: number): number {
  const point = text.codePointAt(index) ?? 0xfffd;
  return point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
}

function lengthOf(text: string): number {
  let length = 0;
  for (let index = 0; index < text.length; index += 1) {
    const point = pointAt(text, index);
    if (point > 0xffff) index += 1;
    length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return length;
}

function put(out: Uint8Array, at: number, point: number): number {
  if (point < 0x80) {
    out[at] = point;
    return at + 1;
  }
  const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  const mark = more === 1 ? 0xc0 : more === 2 ? 0xe0 : 0xf0;
  out[at] = mark | (point >> (6 * more));
  for (let left = more - 1; left >= 0; left -= 1) out[at + more - left] = 0x80 | ((point >> (6 * left)) & 0x3f);
  return at + more + 1;
}

/** Returns the text of bytes in UTF-8. What is no UTF-8 is an error if `fatal`, else U+FFFD. */
export function decode(bytes: Uint8Array, fatal = true): string {
  const pieces: string[] = [];
  let units: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [point, length] = read(bytes, at);
    if (point < 0 && fatal) throw new Invalid(`byte ${at} is no UTF-8`);
    at += length;
    const known = point < 0 ? 0xfffd : point;
    if (known > 0xffff) units.push(0xd800 + ((known - 0x10000) >> 10), 0xdc00 + ((known - 0x10000) & 0x3ff));
    else units.push(known);
    if (units.length >= PIECE) {
      pieces.push(String.fromCharCode.apply(null, units));
      units = [];
    }
  }
  pieces.push(String.fromCharCode.apply(null, units));
  return pieces.join("");
}

/** Returns the code point at a place, -1 where there is none, and how many bytes it took. */
function read(bytes: Uint8Array, at: number): [point: number, length: number] {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return [first, 1];
  const more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 && first < 0xe0 ? 1 : 0;
  if (more === 0) return [-1, 1];
  let point = first & (0x3f >> more);
  for (let index = 1; index <= more; index += 1) {
    const next = bytes[at + index] ?? 0;
    if (next < 0x80 || next > 0xbf) return [-1, index];
    point = (point << 6) | (next & 0x3f);
  }
  const least = more === 1 ? 0x80 : more === 2 ? 0x800 : 0x10000;
  const bad = point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff);
  return [bad ? -1 : point, more + 1];
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
