/**
 * What the SDK asks of a host, in plain types: one component's imports, or the fake of a test. Knows nothing of plugins.
 *
 * Each function may throw a `StepError`, and nothing else.
 */

import type { StepError } from "./errors.ts";

export type Level = "trace" | "debug" | "info" | "warn" | "error";
export type FileType = "file" | "dir" | "link" | "other";

/** One name in a directory. A link is not followed; `target` is where it points, as written in it. */
export interface Entry {
  name: string;
  type: FileType;
  target?: string;
}

/** A request as it is sent. `cluster` is a context and a namespace; the URL is a path there. */
export interface HttpRequest {
  method: string;
  url: string;
  headers: [name: string, value: string][];
  secretHeaders: [name: string, prefix: string, secret: SecretHandle][];
  basicAuth?: [user: string, password: SecretHandle];
  body?: Uint8Array;
  bodyFile?: string;
  timeout?: number;
  cluster?: [context: string, namespace: string];
}

/** A command as it is run. */
export interface CommandLine {
  program: string;
  args: string[];
  dir?: string;
  env: [name: string, value: string][];
  secretEnv: [name: string, secret: SecretHandle][];
  stdin?: Uint8Array;
  onHost?: string;
}

/** One thing of a round. */
export type Deed = { host: string } & (
  | { deed: "claim" | "disclaim"; dir: string }
  | { deed: "makeDir" | "remove"; path: string }
  | { deed: "upload"; digest: string; path: string }
  | { deed: "symlink"; target: string; path: string }
  | { deed: "rename"; old: string; new: string }
  | { deed: "writeFile"; path: string; data: Uint8Array }
  | { deed: "run"; command: CommandLine }
);

/** A secret that stays with the host. */
export interface SecretHandle {
  name(): string;
  reveal(): string;
  sign(data: Uint8Array): Uint8Array;
  close(): void;
}

/** An answer whose body is pulled. */
export interface ResponseHandle {
  status(): number;
  headers(): [name: string, value: string][];
  read(max: number): Uint8Array;
  save(path: string): number;
  close(): void;
}

/** A command that runs. */
export interface ChildHandle {
  read(which: "stdout" | "stderr", max: number): Uint8Array;
  wait(): number;
  kill(): void;
  close(): void;
}

/** Files of the step's own directories. */
export interface Files {
  read(path: string): Uint8Array;
  write(path: string, data: Uint8Array): void;
  list(path: string): string[];
  /** What is at a path: `undefined` where nothing is. */
  type(path: string): "file" | "dir" | "other" | undefined;
  makeDir(path: string): void;
  remove(path: string): void;
}

/** What `context` answers. */
export interface Facts {
  packageName: string;
  version: string;
  release: string;
  step: string;
  attempt: number;
  idempotencyKey: string;
  environment: string | undefined;
  deployment: string | undefined;
  previous: string | undefined;
  unfinished: string | undefined;
  startedAt: number;
}

/** Every function that a host offers. */
export interface Host {
  readonly files: Files;
  log(level: Level, message: string): void;
  progress(what: string, done: number, total: number | undefined): void;
  saveCheckpoint(state: string): void;

  fact<K extends keyof Facts>(name: K): Facts[K];
  labels(): [name: string, value: string][];
  setting(name: string): string | undefined;

  secret(name: string): SecretHandle;
  send(request: HttpRequest): ResponseHandle;
  run(command: CommandLine): number;
  spawn(command: CommandLine): ChildHandle;

  capture(dir: string): string;
  restore(digest: string, dir: string): void;

  hostNames(): string[];
  hostLabels(host: string): [name: string, value: string][];
  hostSetting(host: string, name: string): string | undefined;
  upload(host: string, digest: string, path: string): void;
  fetch(host: string, path: string, without: string[]): string;
  readDir(host: string, path: string): Entry[];
  stat(host: string, path: string): Entry | undefined;
  makeDir(host: string, path: string): void;
  symlink(host: string, target: string, path: string): void;
  rename(host: string, old: string, to: string): void;
  readFile(host: string, path: string): Uint8Array;
  writeFile(host: string, path: string, data: Uint8Array): void;
  remove(host: string, path: string): void;
  claim(host: string, dir: string): void;
  disclaim(host: string, dir: string): void;
  perform(parallel: number, deeds: Deed[]): [host: string, error: StepError | undefined][];

  mark(found: string | undefined, object: string): string;
  imageDigest(image: string): string;
  imageFind(repository: string, name: string): string | undefined;
  imagePush(repository: string, image: string): string;
  imageTag(repository: string, digest: string, tag: string, fixed: boolean): void;
  imageUntag(repository: string, tag: string): void;

  /** Gives back every handle that is still open. */
  closeAll(): void;
}

let host: Host | undefined;

/** Returns the host of this component or this test. */
export function current(): Host {
  if (host === undefined) throw new Error("there is no host here: in a test, make a `new Fake()` of relrun-sdk/testing first; in a component, no call is possible while it is built");
  return host;
}

/** Returns whether there is one. */
export function isHere(): boolean {
  return host !== undefined;
}

/** Makes a host the current one. */
export function use(next: Host): void {
  host = next;
}
