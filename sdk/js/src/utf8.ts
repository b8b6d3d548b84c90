/**
 * UTF-8, by whatever the engine does itself: a loop over each unit is a hundred times slower in an interpreter.
 *
 * StarlingMonkey and Node have `TextEncoder`. QuickJS has none, but percent-encoding and base64, which lead there too.
 */

import { Invalid } from "./errors.ts";

const PIECE = 8192;
const ABOVE_ASCII = /[^\0-\x7f]/;

interface Engine {
  TextEncoder?: new () => { encode(text: string): Uint8Array };
  TextDecoder?: new (label: string, options: { fatal: boolean; ignoreBOM: boolean }) => { decode(bytes: Uint8Array): string };
  btoa?: (binary: string) => string;
  atob?: (base64: string) => string;
  escape?: (text: string) => string;
  unescape?: (text: string) => string;
}

/** Returns a text in UTF-8; nothing where the engine cannot, or where the text has a lone surrogate. */
export type Encode = (text: string) => Uint8Array | undefined;
/** Returns the text of bytes in UTF-8; nothing where the engine cannot, or where they are none. */
export type Decode = (bytes: Uint8Array) => string | undefined;

/** Returns what an engine can do by itself. */
export function ways(engine: Engine): { encode: Encode; decode: Decode } {
  const { TextEncoder: Encoder, TextDecoder: Decoder } = engine;
  if (Encoder !== undefined && Decoder !== undefined) {
    const encoder = new Encoder();
    const decoder = new Decoder("utf-8", { fatal: true, ignoreBOM: true });
    return { encode: (text) => encoder.encode(text), decode: tried((bytes) => decoder.decode(bytes)) };
  }
  return byBase64(engine) ?? { encode: () => undefined, decode: () => undefined };
}

function byBase64(engine: Engine): { encode: Encode; decode: Decode } | undefined {
  const { btoa, atob, escape, unescape } = engine;
  const { fromBase64 } = Uint8Array as { fromBase64?: (base64: string) => Uint8Array };
  const { toBase64 } = Uint8Array.prototype as { toBase64?: () => string };
  if (!btoa || !atob || !escape || !unescape || !fromBase64 || !toBase64) return undefined;
  return {
    encode: tried((text: string) => fromBase64.call(Uint8Array, btoa(ABOVE_ASCII.test(text) ? unescape(encodeURIComponent(text)) : text))),
    decode: tried((bytes: Uint8Array) => {
      const binary = atob(toBase64.call(bytes));
      return ABOVE_ASCII.test(binary) ? decodeURIComponent(escape(binary)) : binary;
    }),
  };
}

/** Returns nothing where a function throws. */
function tried<A, R>(run: (argument: A) => R): (argument: A) => R | undefined {
  return (argument) => {
    try {
      return run(argument);
    } catch {
      return undefined;
    }
  };
}

export const { encode, decode } = ways(globalThis as unknown as Engine);

/** Returns a text in UTF-8, unit by unit. Lone surrogates become U+FFFD. */
export function encodeByHand(text: string): Uint8Array {
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

/** Returns the text of bytes in UTF-8, byte by byte. What is no UTF-8 is an error if `fatal`, else U+FFFD. */
export function decodeByHand(bytes: Uint8Array, fatal: boolean): string {
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
