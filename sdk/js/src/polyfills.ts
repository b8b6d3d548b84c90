/** What QuickJS lacks, so that one source runs on both engines: `console`, which writes to relrun's log on both, `TextEncoder` and `TextDecoder`. */

import { current, isHere, type Level } from "./host.ts";
import { decode, encode } from "./text.ts";

type Globals = Record<string, unknown>;

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

function writer(level: Level): (...values: unknown[]) => void {
  // A package may write something while the component is built, where nobody reads it.
  return (...values) => {
    if (isHere()) current().log(level, values.map(shown).join(" "));
  };
}

class Encoder {
  readonly encoding = "utf-8";
  encode(text = ""): Uint8Array {
    return encode(String(text));
  }
}

class Decoder {
  readonly encoding = "utf-8";
  readonly fatal: boolean;
  constructor(label = "utf-8", options: { fatal?: boolean } = {}) {
    if (!["utf-8", "utf8"].includes(label.toLowerCase())) throw new RangeError(`${label}: only utf-8 is known`);
    this.fatal = options.fatal ?? false;
  }
  decode(data: Uint8Array | ArrayBuffer = new Uint8Array()): string {
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    return decode(hasMark ? bytes.subarray(3) : bytes, this.fatal);
  }
}

/** Puts in place what is missing. The console is always ours: an engine's own writes past the log's levels. */
export function install(globals: Globals): void {
  const log = writer("info");
  globals["console"] = { log, info: log, debug: writer("debug"), trace: writer("trace"), warn: writer("warn"), error: writer("error") };
  globals["TextEncoder"] ??= Encoder;
  globals["TextDecoder"] ??= Decoder;
}
