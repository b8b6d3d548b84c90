/** Typed configs: a JSON Schema gives the TypeScript type, the check, and what the host is told. Knows nothing of plugins or hosts. */

import { Invalid } from "./errors.ts";
import { points } from "./text.ts";

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

type TypeName = "string" | "integer" | "number" | "boolean" | "null" | "array" | "object";

/**
 * A JSON Schema (2020-12), of which the SDK understands these words. Names may be written as JavaScript does (`keepDays`): manifests and other
 * steps write them in kebab-case (`keep-days`).
 */
export interface Schema {
  readonly type?: TypeName | readonly TypeName[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: { readonly [name: string]: Schema };
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  /** Which fields a manifest may write as a node's positional arguments, in this order. */
  readonly "x-args"?: readonly string[];
}

/** No fields. */
export type Empty = { readonly properties: Record<never, never> };

type Named<T> = T extends "string"
  ? string
  : T extends "integer" | "number"
    ? number
    : T extends "boolean"
      ? boolean
      : T extends "null"
        ? null
        : T extends "array"
          ? Json[]
          : { [name: string]: Json };

type Mutable<T> = T extends readonly (infer I)[] ? I : never;
type Always<S> =
  | (S extends { readonly required: readonly (infer R)[] } ? R : never)
  | (S extends { readonly properties: infer P } ? { [K in keyof P]: P[K] extends { readonly default: unknown } ? K : never }[keyof P] : never);
type Fields<P, R> = { -readonly [K in keyof P as K extends R ? K : never]: Infer<P[K]> } & {
  -readonly [K in keyof P as K extends R ? never : K]?: Infer<P[K]> | undefined;
};
type Flat<T> = { [K in keyof T]: T[K] };

/** The TypeScript type of what a schema allows. */
export type Infer<S> = S extends { readonly const: infer C }
  ? C
  : S extends { readonly enum: readonly (infer E)[] }
    ? E
    : S extends { readonly anyOf: infer A }
      ? Infer<Mutable<A>>
      : S extends { readonly properties: infer P }
        ? Flat<Fields<P, Always<S>>>
        : S extends { readonly items: infer I }
          ? Infer<I>[]
          : S extends { readonly additionalProperties: infer A }
            ? { [name: string]: A extends boolean ? Json : Infer<A> }
            : S extends { readonly type: readonly (infer T)[] }
              ? Named<T>
              : S extends { readonly type: infer T }
                ? Named<T>
                : Json;

/** Returns a name as JSON and manifests write it. */
export function jsonName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Returns a schema as the host is told it: names in kebab-case, and unknown fields refused unless it says otherwise. */
export function told(schema: Schema): { [word: string]: unknown } {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...(schema.type === undefined ? { type: "object" } : {}), ...part(schema) };
}

function part(schema: Schema): { [word: string]: unknown } {
  const out: { [word: string]: unknown } = { ...schema };
  if (schema.properties !== undefined) {
    out["type"] = "object";
    out["properties"] = Object.fromEntries(Object.entries(schema.properties).map(([name, one]) => [jsonName(name), part(one)]));
    out["additionalProperties"] = typeof schema.additionalProperties === "object" ? part(schema.additionalProperties) : (schema.additionalProperties ?? false);
    if (schema.required !== undefined) out["required"] = schema.required.map(jsonName);
    if (schema["x-args"] !== undefined) out["x-args"] = schema["x-args"].map(jsonName);
  } else if (typeof schema.additionalProperties === "object") {
    out["type"] = "object";
    out["additionalProperties"] = part(schema.additionalProperties);
  }
  if (schema.items !== undefined) Object.assign(out, { type: "array", items: part(schema.items) });
  if (schema.anyOf !== undefined) out["anyOf"] = schema.anyOf.map(part);
  return out;
}

/** How a value is read: `strict` refuses unknown fields, `rename` takes kebab-case names for those of the schema and sets defaults. */
export interface Reading {
  readonly strict: boolean;
  readonly rename: boolean;
}

/** Reads a value of JSON by its schema; `at` is what a person calls the whole (`config`). */
export function read(schema: Schema, value: unknown, at: string, how: Reading): unknown {
  if (schema.anyOf !== undefined) return readChoice(schema.anyOf, value, at, how);
  if (schema.const !== undefined) return oneOf([schema.const], value, at);
  if (schema.enum !== undefined) return oneOf(schema.enum, value, at);
  if (schema.properties !== undefined) return readObject(schema, schema.properties, value, at, how);
  const types = schema.type === undefined ? [] : typeof schema.type === "string" ? [schema.type] : schema.type;
  const allowed = types.length > 0 ? types : schema.items !== undefined ? (["array"] as const) : isMap(schema) ? (["object"] as const) : [];
  if (allowed.length > 0 && !allowed.some((name) => isOf(name, value))) {
    throw new Invalid(`${at}: expected ${allowed.map((name) => NAMES[name]).join(" or ")}, found ${shown(value)}`);
  }
  return checked(schema, inside(schema, value, at, how), at);
}

function inside(schema: Schema, value: unknown, at: string, how: Reading): unknown {
  if (Array.isArray(value) && schema.items !== undefined) {
    const { items } = schema;
    return value.map((one, index) => read(items, one, `${at}[${index}]`, how));
  }
  if (isOf("object", value) && typeof schema.additionalProperties === "object") {
    const values = schema.additionalProperties;
    return Object.fromEntries(Object.entries(value as object).map(([name, one]) => [name, read(values, one, `${at}.${name}`, how)]));
  }
  return value;
}

function isMap(schema: Schema): boolean {
  return typeof schema.additionalProperties === "object";
}

const NAMES: Record<TypeName, string> = {
  string: "a text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  null: "null",
  array: "a list",
  object: "an object",
};

function isOf(name: TypeName, value: unknown): boolean {
  if (name === "array") return Array.isArray(value);
  if (name === "null") return value === null;
  if (name === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (name === "integer") return Number.isInteger(value);
  return typeof value === name;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}

function oneOf(known: readonly unknown[], value: unknown, at: string): unknown {
  const found = known.some((one) => JSON.stringify(one) === JSON.stringify(value));
  if (!found) throw new Invalid(`${at}: expected one of ${known.map(shown).join(", ")}, found ${shown(value)}`);
  return value;
}

function readChoice(choices: readonly Schema[], value: unknown, at: string, how: Reading): unknown {
  const real = choices.filter((choice) => choice.type !== "null");
  if (value === null && real.length < choices.length) return null;
  const only = real[0];
  if (real.length === 1 && only !== undefined) return read(only, value, at, how);
  for (const choice of real) {
    try {
      return read(choice, value, at, how);
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
    }
  }
  throw new Invalid(`${at}: ${shown(value)} is none of what may stand here`);
}

function readObject(schema: Schema, properties: { readonly [name: string]: Schema }, value: unknown, at: string, how: Reading): unknown {
  if (!isOf("object", value)) throw new Invalid(`${at}: expected an object, found ${shown(value)}`);
  const given = new Map(Object.entries(value as object));
  const out: { [name: string]: unknown } = {};
  for (const [name, one] of Object.entries(properties)) {
    const written = how.rename ? jsonName(name) : name;
    if (given.has(written) && given.get(written) !== undefined) out[name] = read(one, given.get(written), `${at}.${written}`, how);
    else if (how.rename && one.default !== undefined) out[name] = one.default;
    else if (schema.required?.includes(name) === true) throw new Invalid(`${at}: missing field \`${written}\``);
    given.delete(written);
  }
  for (const [name, one] of given) {
    if (typeof schema.additionalProperties === "object") out[name] = read(schema.additionalProperties, one, `${at}.${name}`, how);
    else if (schema.additionalProperties === true || !how.strict) out[name] = one;
    else throw new Invalid(`${at}: unknown field \`${name}\`, expected ${expected(Object.keys(properties).map(jsonName))}`);
  }
  return out;
}

function expected(names: readonly string[]): string {
  return names.length === 0 ? "none" : `${names.length > 1 ? "one of " : ""}${names.map((name) => `\`${name}\``).join(", ")}`;
}

function checked(schema: Schema, value: unknown, at: string): unknown {
  if (typeof value === "string") {
    if (schema.minLength !== undefined || schema.maxLength !== undefined) within(points(value), schema.minLength, schema.maxLength, "a length of ", at);
    if (schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value)) {
      throw new Invalid(`${at}: ${shown(value)} does not match ${schema.pattern}`);
    }
  }
  if (typeof value === "number") within(value, schema.minimum, schema.maximum, "", at);
  if (Array.isArray(value)) within(value.length, schema.minItems, schema.maxItems, "a length of ", at);
  return value;
}

function within(size: number, least: number | undefined, most: number | undefined, what: string, at: string): void {
  if (least !== undefined && size < least) throw new Invalid(`${at}: expected ${what}at least ${least}, found ${size}`);
  if (most !== undefined && size > most) throw new Invalid(`${at}: expected ${what}at most ${most}, found ${size}`);
}

/** Returns a value as it is written: the names that the schema knows in kebab-case. */
export function written(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value) && schema.items !== undefined) {
    const { items } = schema;
    return value.map((one) => written(items, one));
  }
  if (!isOf("object", value) || schema.properties === undefined) return value;
  const { properties } = schema;
  return Object.fromEntries(
    Object.entries(value as object).map(([name, one]) => {
      const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
      return known === undefined ? [name, one] : [jsonName(name), written(known, one)];
    }),
  );
}
