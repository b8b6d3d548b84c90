/** HTTP through the host's gate: scheme, host, port and method are checked against the grants. */

import { Permanent } from "./errors.ts";
import { mutation } from "./guard.ts";
import { current, type HttpRequest, type ResponseHandle } from "./host.ts";
import type { Json } from "./schema.ts";
import type { Secret } from "./secrets.ts";
import { bytesOf, decode, joined, jsonOf } from "./text.ts";

const READING = ["GET", "HEAD", "OPTIONS"];
const PIECE = 65536;
const LIMIT = 16 * 1024 * 1024;

/** An answer whose body is pulled. The SDK gives the handle back when the operation ends. */
export class Response {
  readonly #handle: ResponseHandle;

  constructor(handle: ResponseHandle) {
    this.#handle = handle;
  }

  /** The status code. */
  get status(): number {
    return this.#handle.status();
  }

  /** Whether the status is one of success. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The headers, names in lower case, in the order they came. */
  get headers(): [name: string, value: string][] {
    return this.#handle.headers();
  }

  /** Returns the first header of this name. */
  header(name: string): string | undefined {
    return this.headers.find(([known]) => known === name.toLowerCase())?.[1];
  }

  /** Returns the next bytes of the body, at most `max`; empty at the end. */
  read(max = PIECE): Uint8Array {
    return this.#handle.read(max);
  }

  /** Reads the rest of the body, at most `limit` bytes; a longer one is an error. */
  bytes(limit = LIMIT): Uint8Array {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (let piece = this.read(); piece.length > 0; piece = this.read()) {
      pieces.push(piece);
      length += piece.length;
      if (length > limit) throw new Permanent(`the answer is longer than ${limit} bytes`);
    }
    return joined(pieces);
  }

  /** Reads the rest of the body, at most 16 MiB, as text. */
  text(): string {
    return decode(this.bytes());
  }

  /** Reads the rest of the body, at most 16 MiB, as JSON. */
  json(): Json {
    return JSON.parse(this.text()) as Json;
  }

  /** Writes the rest of the body to a file under one of the step's directories; returns its length in bytes. */
  save(path: string): number {
    return this.#handle.save(path);
  }

  /** Gives the handle back now. Twice does no harm. */
  close(): void {
    this.#handle.close();
  }
}

/** A request being made. Each method returns the request, so that they can be chained. */
export class Request {
  readonly #made: HttpRequest;

  constructor(method: string, url: string, cluster?: [context: string, namespace: string]) {
    this.#made = { method, url, headers: [], secretHeaders: [], ...(cluster === undefined ? {} : { cluster }) };
  }

  /** Adds a header. */
  header(name: string, value: string): this {
    this.#made.headers.push([name, value]);
    return this;
  }

  /** Adds a header of the prefix and the secret, for the granted origin alone. The plugin never holds the bytes. */
  secretHeader(name: string, prefix: string, secret: Secret): this {
    this.#made.secretHeaders.push([name, prefix, secret.handle]);
    return this;
  }

  /** Adds the secret as a bearer token. */
  bearer(secret: Secret): this {
    return this.secretHeader("authorization", "Bearer ", secret);
  }

  /** Adds basic authentication with the secret as its password. */
  basicAuth(user: string, password: Secret): this {
    this.#made.basicAuth = [user, password.handle];
    return this;
  }

  /** Sets the body; a text is sent in UTF-8. */
  body(data: Uint8Array | string): this {
    this.#made.body = bytesOf(data);
    return this;
  }

  /** Sets the body to JSON, with its content type. */
  json(value: unknown): this {
    return this.header("content-type", "application/json").body(jsonOf(value, "the body"));
  }

  /** Takes the body from a file under one of the step's directories. */
  bodyFile(path: string): this {
    this.#made.bodyFile = path;
    return this;
  }

  /** Bounds the whole exchange, in milliseconds. The host has a bound of its own. */
  timeout(milliseconds: number): this {
    this.#made.timeout = Math.max(1, Math.floor(milliseconds));
    return this;
  }

  /** Sends it. A status of 400 or more is a response, not an error. */
  send(): Response {
    const tried = this.#made.cluster !== undefined && this.#made.url.split(/[?&]/).includes("dryRun=All");
    if (!READING.includes(this.#made.method) && !tried) mutation();
    return new Response(current().send(this.#made));
  }
}

/** Starts a request with any method. The URL is absolute, `http` or `https`. */
export const request = (method: string, url: string): Request => new Request(method, url);
/** Starts a GET request. */
export const get = (url: string): Request => request("GET", url);
/** Starts a POST request. */
export const post = (url: string): Request => request("POST", url);
/** Starts a PUT request. */
export const put = (url: string): Request => request("PUT", url);
/** Starts a PATCH request. */
export const patch = (url: string): Request => request("PATCH", url);
/** Starts a DELETE request; `delete` is a word of the language. */
export const del = (url: string): Request => request("DELETE", url);
