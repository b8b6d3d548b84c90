/** What a config needs, in the manifest's own words: the host compares it with what the manifest grants. */

import { Invalid } from "./errors.ts";

/** One capability, and why it is needed. */
export interface Need {
  readonly capability: string;
  readonly reason: string;
}

/** What one config needs. Made with `pure` or `effect`. */
export interface Needs {
  readonly kind: "pure" | "effect";
  readonly idempotent: boolean;
  readonly requests: readonly Need[];
}

interface Why {
  /** Why, in a few words, for the person who grants it. */
  because?: string;
}

/** Depends on config, staged inputs and granted values alone: served from the cache. */
export function pure(...requests: Need[]): Needs {
  return { kind: "pure", idempotent: true, requests: once(requests) };
}

/**
 * Changes something outside: recorded, never served from the cache. `idempotent` says that a second `apply` with the same idempotency key does
 * no harm: only such a step is run again when a crash left it in doubt.
 */
export function effect(options: { idempotent: boolean }, ...requests: Need[]): Needs {
  return { kind: "effect", idempotent: options.idempotent, requests: once(requests) };
}

function once(requests: readonly Need[]): Need[] {
  return requests.filter((need, index) => requests.findIndex((known) => known.capability === need.capability) === index);
}

/**
 * Asks to run a command: the program, then each argument; `*` stands for one argument and `**` for any number. `on` is for those of the
 * environment's hosts whose names match, in place of this machine. `readonly` says that it changes nothing, so that `plan` and `verify` may run it.
 */
export function run(
  argv: readonly string[],
  options: Why & { network?: boolean; readonly?: boolean; inPlace?: boolean; on?: string; unconfined?: boolean } = {},
): Need {
  if (argv.length === 0) throw new Invalid("a command names no program");
  const flags = { "in-place": options.inPlace, readonly: options.readonly, network: options.network };
  const place = options.on === undefined ? [] : [`on=${quoted(options.on)}`];
  const words = ["run", ...argv.map(quoted), ...place, ...Object.entries(flags).flatMap(([name, value]) => (value === true ? [`${name}=#true`] : []))];
  if (options.unconfined === true) words.push('confine="none"');
  return asked(words, options);
}

/**
 * Asks for HTTP with an origin, `https://api.example.com`. Without `methods`, GET and HEAD. `private` says that the origin may be a loopback,
 * private or link-local address.
 */
export function http(origin: string, options: Why & { methods?: readonly string[]; private?: boolean } = {}): Need {
  const words = ["http", quoted(origin)];
  if (options.methods !== undefined && options.methods.length > 0) words.push(`methods=${quoted(options.methods.join(" "))}`);
  if (options.private === true) words.push("private=#true");
  return asked(words, options);
}

/**
 * Asks for a secret of the manifest: `to` an origin, or `toCommand` a program (in its variable `env`, or else on its standard input), or `sign`
 * for `Secret.sign`, or `reveal` for its text. A second target is a second need.
 */
export function secret(name: string, options: Why & { to?: string; toCommand?: string; env?: string; sign?: boolean; reveal?: boolean } = {}): Need {
  const properties = { to: options.to, "to-command": options.toCommand, env: options.env };
  const words = Object.entries(properties).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${quoted(value)}`]));
  const flags = { sign: options.sign, reveal: options.reveal };
  words.push(...Object.entries(flags).flatMap(([flag, value]) => (value === true ? [`${flag}=#true`] : [])));
  return asked(["secret", quoted(name), ...words], options);
}

/** Asks for the environment's hosts; `*` matches any run of characters. */
export function host(pattern = "*", options: Why = {}): Need {
  return asked(["host", quoted(pattern)], options);
}

/** Asks for one namespace of a cluster. */
export function kubernetes(context: string, namespace: string, options: Why = {}): Need {
  return asked(["kubernetes", `context=${quoted(context)}`, `namespace=${quoted(namespace)}`], options);
}

/** Asks for one repository of a registry: `registry.example.com/acme/shop`. */
export function registry(repository: string, options: Why = {}): Need {
  return asked(["registry", quoted(repository)], options);
}

/** Asks for a directory, read-only. */
export function read(path: string, options: Why = {}): Need {
  return asked(["read", quoted(path)], options);
}

/** Asks for a directory, read and write. */
export function write(path: string, options: Why = {}): Need {
  return asked(["write", quoted(path)], options);
}

/** Asks for an environment variable by its name. */
export function env(name: string, options: Why = {}): Need {
  return asked(["env", quoted(name)], options);
}

function asked(words: readonly string[], options: Why): Need {
  return { capability: words.join(" "), reason: options.because ?? "" };
}

const ESCAPES: Record<string, string> = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Returns a text as KDL writes it. */
function quoted(text: string): string {
  const escaped = text.replace(/["\\\u0000-\u001f\u007f-\u009f]/g, (char) => ESCAPES[char] ?? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
  return `"${escaped}"`;
}
