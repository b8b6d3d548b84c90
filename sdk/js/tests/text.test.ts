// Texts and bytes, against Node's own encoder and decoder.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Invalid, text } from "relrun-sdk";
import { install } from "relrun-sdk/polyfills";
import { decodeByHand, encodeByHand, ways } from "relrun-sdk/utf8";

const TEXTS = ["", "a", "äöü", "€", "😀 a", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}", "x".repeat(20000) + "😀".repeat(9000)];

test("texts become UTF-8 and texts again, by hand and by the engine", () => {
  for (const one of [...TEXTS, "\ufeffwith a mark"]) {
    const bytes = new TextEncoder().encode(one);
    assert.deepEqual([text.encode(one), encodeByHand(one)], [bytes, bytes]);
    assert.deepEqual([text.decode(bytes), decodeByHand(bytes, true)], [one, one]);
    assert.equal(text.points(one), [...one].length);
  }
  for (const encode of [text.encode, encodeByHand]) assert.deepEqual(encode("a\ud800b"), new TextEncoder().encode("a\ud800b"));
});

test("an engine without TextEncoder goes by base64, where it has that", () => {
  // As QuickJS has it, whatever this Node has.
  const bytes = Uint8Array as unknown as Record<string, unknown>;
  const proto = Uint8Array.prototype as unknown as Record<string, unknown>;
  const had = [bytes["fromBase64"], proto["toBase64"]];
  bytes["fromBase64"] = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
  proto["toBase64"] = function (this: Uint8Array) {
    return Buffer.from(this).toString("base64");
  };
  const { encode, decode } = ways({ btoa, atob, escape, unescape });
  [bytes["fromBase64"], proto["toBase64"]] = had;
  for (const one of TEXTS) {
    assert.deepEqual(encode(one), new TextEncoder().encode(one));
    assert.equal(decode(new TextEncoder().encode(one)), one);
  }
  assert.equal(encode("a\ud800b"), undefined);
  assert.equal(decode(new Uint8Array([0xff])), undefined);
  assert.equal(ways({}).encode("a"), undefined);
});

test("bytes that are no UTF-8 are an error, or replaced", () => {
  const wrong = [[0xff], [0xc0, 0x80], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80], [0xf0, 0x9f, 0x98]];
  for (const bytes of wrong) {
    assert.throws(() => text.decode(new Uint8Array([0x61, ...bytes])), Invalid);
    assert.match(text.decode(new Uint8Array([0x61, ...bytes, 0x62]), false), /^a\ufffd+b$/);
    assert.throws(() => decodeByHand(new Uint8Array(bytes), true), Invalid);
  }
});

test("what is no JSON is refused", () => {
  for (const value of ["\ud800", { "\udc00": 1 }, Number.NaN, [Number.POSITIVE_INFINITY], 1n, () => {}]) {
    assert.throws(() => text.jsonOf(value, "the outputs"), /^Invalid: the outputs cannot be written as JSON/);
  }
  const circle: unknown[] = [];
  circle.push(circle);
  assert.throws(() => text.jsonOf(circle, "the outputs"), /nested deeper than 120, or in itself/);
  let deep: unknown = "end";
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  assert.throws(() => text.jsonOf(deep, "the outputs"), Invalid);
  assert.equal(text.jsonOf({ a: "\\ud800 ä" }, "it"), '{"a":"\\\\ud800 ä"}');
});

test("a text for people never stops the plugin", () => {
  assert.equal(text.clean("a\ud800b😀"), "a\ufffdb😀");
  assert.throws(() => text.wellFormed(3), new Invalid("expected a text, found number"));
});

test("what QuickJS lacks is put in place", () => {
  const globals: Record<string, any> = {};
  install(globals);
  assert.deepEqual(new globals["TextEncoder"]().encode("ä"), new Uint8Array([0xc3, 0xa4]));
  const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 0xc3, 0xa4, 0xff]);
  assert.equal(new globals["TextDecoder"]().decode(bytes), new TextDecoder().decode(bytes));
  assert.throws(() => new globals["TextDecoder"]("utf-8", { fatal: true }).decode(bytes));
  assert.throws(() => new globals["TextDecoder"]("latin1"), RangeError);
});
