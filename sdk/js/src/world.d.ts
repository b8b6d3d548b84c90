// The plugin world as both engines show it to JavaScript, as far as the SDK uses it. An absent option is null or undefined, a u64 a number or a
// bigint, an error whatever the engine throws: `component-host.ts` evens that out.

declare module "relrun:plugin/log@0.1.1" {
  export function write(level: string, message: string): void;
  export function progress(what: string, done: number, total: number | null): void;
}

declare module "relrun:plugin/context@0.1.1" {
  type Absent = null | undefined;
  export function packageName(): string;
  export function version(): string;
  export function release(): string;
  export function step(): string;
  export function attempt(): number;
  export function idempotencyKey(): string;
  export function environment(): string | Absent;
  export function deployment(): string | Absent;
  export function labels(): [string, string][];
  export function setting(name: string): string | Absent;
  export function previous(): string | Absent;
  export function unfinished(): string | Absent;
  export function startedAt(): number | bigint;
}

declare module "relrun:plugin/checkpoint@0.1.1" {
  export function save(state: string): void;
}

declare module "relrun:plugin/secrets@0.1.1" {
  export interface Secret {
    name(): string;
    reveal(): string;
    sign(data: Uint8Array): Uint8Array;
  }
  export function get(name: string): Secret;
}

declare module "relrun:plugin/http@0.1.1" {
  import type { Secret } from "relrun:plugin/secrets@0.1.1";
  export class Request {
    constructor(method: string, url: string);
    header(name: string, value: string): void;
    secretHeader(name: string, prefix: string, secret: Secret): void;
    basicAuth(user: string, password: Secret): void;
    body(data: Uint8Array): void;
    bodyFile(path: string): void;
    timeout(milliseconds: number | bigint): void;
    send(): Response;
  }
  export interface Response {
    status(): number;
    headers(): [string, string][];
    read(max: number): Uint8Array;
    save(path: string): number | bigint;
  }
}

declare module "relrun:plugin/process@0.1.1" {
  import type { Secret } from "relrun:plugin/secrets@0.1.1";
  export class Command {
    constructor(program: string, args: string[]);
    dir(path: string): void;
    env(name: string, value: string): void;
    secretEnv(name: string, value: Secret): void;
    stdin(data: Uint8Array): void;
    onHost(host: string): void;
    run(): number;
    spawn(): Child;
  }
  export interface Child {
    read(which: string, max: number): Uint8Array;
    wait(): number;
    kill(): void;
  }
}

declare module "relrun:plugin/trees@0.1.1" {
  export function capture(dir: string): string;
  export function restore(digest: string, dir: string): void;
}

declare module "relrun:plugin/hosts@0.1.1" {
  export interface Entry {
    name: string;
    fileType: "file" | "dir" | "link" | "other";
    target?: string | null;
  }
  export function names(): string[];
  export function labelsOf(host: string): [string, string][];
  export function settingOf(host: string, name: string): string | null | undefined;
  export function upload(host: string, digest: string, path: string): void;
  export function fetch(host: string, path: string, without: string[]): string;
  export function readDir(host: string, path: string): Entry[];
  export function stat(host: string, path: string): Entry | null | undefined;
  export function makeDir(host: string, path: string): void;
  export function symlink(host: string, target: string, path: string): void;
  export function rename(host: string, old: string, to: string): void;
  export function readFile(host: string, path: string): Uint8Array;
  export function writeFile(host: string, path: string, data: Uint8Array): void;
  export function remove(host: string, path: string): void;
  export function claim(host: string, dir: string): void;
  export function disclaim(host: string, dir: string): void;
}

declare module "relrun:plugin/kubernetes@0.1.1" {
  import type { Request } from "relrun:plugin/http@0.1.1";
  export function start(context: string, namespace: string, method: string, path: string): Request;
  export function mark(found: string | null, object: string): string;
}

declare module "relrun:plugin/rounds@0.1.1" {
  import type { Command } from "relrun:plugin/process@0.1.1";
  export class Round {
    constructor(parallel: number);
    claim(host: string, dir: string): void;
    disclaim(host: string, dir: string): void;
    makeDir(host: string, path: string): void;
    upload(host: string, digest: string, path: string): void;
    symlink(host: string, target: string, path: string): void;
    rename(host: string, old: string, to: string): void;
    writeFile(host: string, path: string, data: Uint8Array): void;
    remove(host: string, path: string): void;
    run(host: string, command: Command): void;
    perform(): [string, { tag: "ok" | "err"; val?: unknown }][];
  }
}

declare module "relrun:plugin/registry@0.1.1" {
  export function digest(image: string): string;
  export function find(repository: string, name: string): string | null | undefined;
  export function push(repository: string, image: string): string;
  export function tag(repository: string, digest: string, tag: string, fixed: boolean): void;
  export function untag(repository: string, tag: string): void;
}

declare module "wasi:filesystem/preopens@0.2.0" {
  export interface Descriptor {
    read(length: number | bigint, offset: number | bigint): [Uint8Array, boolean];
    write(buffer: Uint8Array, offset: number | bigint): number | bigint;
    getType(): string;
    readDirectory(): DirectoryEntryStream;
    createDirectoryAt(path: string): void;
    openAt(pathFlags: Record<string, boolean>, path: string, openFlags: Record<string, boolean>, flags: Record<string, boolean>): Descriptor;
    removeDirectoryAt(path: string): void;
    unlinkFileAt(path: string): void;
  }
  export interface DirectoryEntryStream {
    readDirectoryEntry(): { type: string; name: string } | null | undefined;
  }
  export function getDirectories(): [Descriptor, string][];
}
