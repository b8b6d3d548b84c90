/** The host of a test: everything in memory, each call recorded. It keeps to the plugin world's words, not to the host's gates. */

import { Cancelled, Denied, Missing, Permanent, StepError, Transient } from "./errors.ts";
import { Tree } from "./fake-files.ts";
import type { ChildHandle, CommandLine, Deed, Entry, Facts, Files, Host, HttpRequest, Level, ResponseHandle, SecretHandle } from "./host.ts";
import type { Json } from "./schema.ts";
import { decode, encode, joined } from "./text.ts";

/** A scripted answer to an HTTP request. */
export interface Scripted {
  status: number;
  body: Uint8Array;
  headers: [name: string, value: string][];
}

/** How a command ends. */
export interface Ended {
  code: number;
  stdout: Uint8Array;
  stderr: Uint8Array;
}

const NOTHING = new Uint8Array();

class FakeResponse implements ResponseHandle {
  readonly #answer: Scripted;
  readonly #files: Files;
  #rest: Uint8Array;

  constructor(answer: Scripted, files: Files) {
    this.#answer = answer;
    this.#files = files;
    this.#rest = answer.body;
  }
  status(): number {
    return this.#answer.status;
  }
  headers(): [string, string][] {
    return this.#answer.headers;
  }
  read(max: number): Uint8Array {
    const piece = this.#rest.slice(0, max);
    this.#rest = this.#rest.slice(max);
    return piece;
  }
  save(path: string): number {
    const data = this.read(this.#rest.length);
    this.#files.write(path, data);
    return data.length;
  }
  close(): void {}
}

class FakeChild implements ChildHandle {
  #code: number;
  readonly #rest: { stdout: Uint8Array; stderr: Uint8Array };

  constructor(ended: Ended) {
    this.#code = ended.code;
    this.#rest = { stdout: ended.stdout, stderr: ended.stderr };
  }
  read(which: "stdout" | "stderr", max: number): Uint8Array {
    const piece = this.#rest[which].slice(0, max);
    this.#rest[which] = this.#rest[which].slice(max);
    return piece;
  }
  wait(): number {
    return this.#code;
  }
  kill(): void {
    this.#code = 137;
  }
  close(): void {}
}

/** What the fake holds, and the host's functions on it. */
export class FakeHost implements Host {
  readonly hosts = new Map<string, Tree>();
  readonly hostLabel = new Map<string, Record<string, string>>();
  readonly hostSet = new Map<string, Record<string, string>>();
  readonly trees = new Map<string, [path: string, data: Uint8Array][]>();
  readonly marks = new Map<string, string>();
  readonly secrets = new Map<string, string>();
  readonly tags = new Map<string, string>();
  readonly answers: Scripted[] = [];
  readonly ends = new Map<string, Ended>();
  readonly label: Record<string, string> = {};
  readonly settings = new Map<string, string>();
  readonly lines: string[] = [];
  readonly faults: { begin: string; error: StepError; after: number }[] = [];
  readonly step = new Tree();
  checkpoints: Json[] = [];
  calls: string[] = [];
  crashAfter: number | undefined;
  changes = 0;
  facts: Facts = {
    packageName: "acme/shop",
    version: "1.0.0",
    release: "r1",
    step: "step",
    attempt: 1,
    idempotencyKey: "0".repeat(64),
    environment: "test",
    deployment: "shop",
    previous: undefined,
    unfinished: undefined,
    startedAt: 1_700_000_000,
  };

  constructor() {
    for (const name of ["/in", "/out", "/tmp"]) this.step.makeDir(name);
  }

  readonly files: Files = {
    read: (path) => this.step.read(path),
    write: (path, data) => this.step.put(path, data),
    list: (path) => this.step.list(path).map((entry) => entry.name),
    type: (path) => this.step.type(path),
    makeDir: (path) => this.step.makeDir(path),
    remove: (path) => this.step.remove(path),
  };

  /** Notes a call, and fails it where the test says so. */
  call(call: string): void {
    this.calls.push(call);
    for (const fault of this.faults.filter(({ begin }) => call.startsWith(begin))) {
      if (fault.after === 0) {
        this.faults.splice(this.faults.indexOf(fault), 1);
        throw fault.error;
      }
      fault.after -= 1;
    }
  }

  /** Notes a call that changes something. After a crash nothing changes any more. */
  change(call: string): void {
    if (this.#isCrashed()) throw new Cancelled("crashed");
    this.changes += 1;
    this.call(call);
  }

  #isCrashed(): boolean {
    return this.crashAfter !== undefined && this.changes >= this.crashAfter;
  }

  tree(host: string): Tree {
    const found = this.hosts.get(host);
    if (found === undefined) throw new Missing(`there is no host ${JSON.stringify(host)}`);
    return found;
  }

  /** Keeps a tree, and returns a digest that only these files have. */
  keep(files: [path: string, data: Uint8Array][]): string {
    const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
    const digest = digestOf(joined(sorted.flatMap(([path, data]) => [encode(`${path}\0${data.length}\0`), data])));
    this.trees.set(digest, sorted);
    return digest;
  }

  #kept(digest: string): [path: string, data: Uint8Array][] {
    const files = this.trees.get(digest);
    if (files === undefined) throw new Missing(`there is no tree ${digest}`);
    return files;
  }

  log(level: Level, message: string): void {
    this.lines.push(`${level}: ${message}`);
  }

  progress(what: string, done: number, total: number | undefined): void {
    this.lines.push(`progress: ${what} ${done}${total === undefined ? "" : `/${total}`}`);
  }

  saveCheckpoint(state: string): void {
    if (!this.#isCrashed()) this.checkpoints.push(JSON.parse(state) as Json);
  }

  fact<K extends keyof Facts>(name: K): Facts[K] {
    return this.facts[name];
  }

  labels(): [string, string][] {
    return Object.entries(this.label);
  }

  setting(name: string): string | undefined {
    return this.settings.get(name);
  }

  /** Signs with bytes that show what was signed, which is what a test wants to see, and no HMAC. */
  secret(name: string): SecretHandle {
    const value = this.secrets.get(name);
    if (value === undefined) throw new Denied(`no grant covers the secret ${JSON.stringify(name)}`);
    return {
      name: () => name,
      reveal: () => value,
      sign: (data) => {
        this.call(`sign ${name} ${decode(data, false)}`);
        return joined([encode(`${name}:`), data]);
      },
      close: () => {},
    };
  }

  send(request: HttpRequest): ResponseHandle {
    this.call(shownRequest(request));
    const answer = this.answers.shift();
    if (answer === undefined) throw new Transient("connection refused");
    return new FakeResponse(answer, this.files);
  }

  run(command: CommandLine): number {
    return this.spawn(command).wait();
  }

  spawn(command: CommandLine): ChildHandle {
    this.change(shownCommand(command));
    const ended = this.ends.get([command.program, ...command.args].join("\0"));
    return new FakeChild(ended ?? { code: 0, stdout: NOTHING, stderr: NOTHING });
  }

  capture(dir: string): string {
    this.call(`capture ${dir}`);
    return this.keep(this.step.filesOf(dir));
  }

  restore(digest: string, dir: string): void {
    this.call(`restore ${digest} ${dir}`);
    lay(this.step, this.#kept(digest), dir);
  }

  hostNames(): string[] {
    return [...this.hosts.keys()];
  }

  hostLabels(host: string): [string, string][] {
    return Object.entries(this.hostLabel.get(host) ?? {});
  }

  hostSetting(host: string, name: string): string | undefined {
    return this.hostSet.get(host)?.[name];
  }

  upload(host: string, digest: string, path: string): void {
    this.change(`upload ${host} ${path}`);
    const tree = this.tree(host);
    if (tree.stat(path) !== undefined) throw new Permanent(`${path}: something is there`);
    lay(tree, this.#kept(digest), path);
  }

  fetch(host: string, path: string, without: string[]): string {
    const found = this.tree(host).filesOf(path);
    return this.keep(found.filter(([name]) => !without.some((out) => `${name}/`.startsWith(`${out}/`))));
  }

  readDir(host: string, path: string): Entry[] {
    return this.tree(host).list(path);
  }

  stat(host: string, path: string): Entry | undefined {
    return this.tree(host).stat(path);
  }

  makeDir(host: string, path: string): void {
    this.change(`make-dir ${host} ${path}`);
    this.tree(host).makeDir(path);
  }

  symlink(host: string, target: string, path: string): void {
    this.change(`symlink ${host} ${path} -> ${target}`);
    this.tree(host).symlink(target, path);
  }

  rename(host: string, old: string, to: string): void {
    this.change(`rename ${host} ${to}`);
    this.tree(host).rename(old, to);
  }

  readFile(host: string, path: string): Uint8Array {
    return this.tree(host).read(path);
  }

  writeFile(host: string, path: string, data: Uint8Array): void {
    this.change(`write-file ${host} ${path}`);
    this.tree(host).put(path, data);
  }

  remove(host: string, path: string): void {
    this.change(`remove ${host} ${path}`);
    this.tree(host).remove(path);
  }

  claim(host: string, dir: string): void {
    this.change(`claim ${host} ${dir}`);
    const mark = this.marks.get(`${host}:${dir}`);
    if (mark?.startsWith("stranger") === true) throw new Denied(`${dir} on ${host} belongs to ${mark}`);
    this.marks.set(`${host}:${dir}`, this.facts.release);
  }

  disclaim(host: string, dir: string): void {
    this.change(`disclaim ${host} ${dir}`);
    this.marks.delete(`${host}:${dir}`);
  }

  /** One host after the other, so that a test knows what comes when. */
  perform(_parallel: number, deeds: Deed[]): [string, StepError | undefined][] {
    return [...new Set(deeds.map((deed) => deed.host))].map((host) => {
      try {
        for (const deed of deeds) if (deed.host === host) this.#do(deed);
        return [host, undefined];
      } catch (error) {
        if (error instanceof StepError) return [host, error];
        throw error;
      }
    });
  }

  #do(deed: Deed): void {
    switch (deed.deed) {
      case "claim":
      case "disclaim":
        return this[deed.deed](deed.host, deed.dir);
      case "makeDir":
      case "remove":
        return this[deed.deed](deed.host, deed.path);
      case "upload":
        return this.upload(deed.host, deed.digest, deed.path);
      case "symlink":
        return this.symlink(deed.host, deed.target, deed.path);
      case "rename":
        return this.rename(deed.host, deed.old, deed.new);
      case "writeFile":
        return this.writeFile(deed.host, deed.path, deed.data);
      case "run": {
        const code = this.run({ ...deed.command, onHost: deed.host });
        const line = [deed.command.program, ...deed.command.args].join(" ");
        if (code !== 0) throw new Permanent(`\`${line}\` ended with exit code ${code}`);
      }
    }
  }

  /** A mark that begins with `stranger` is another ledger's. */
  mark(found: string | undefined, object: string): string {
    if (found?.includes("stranger") === true) throw new Denied(`${object} belongs to ${found}`);
    return JSON.stringify({ release: this.facts.release });
  }

  /** Images are named by what they are told as: the same words give the same digest. */
  imageDigest(image: string): string {
    return `sha256:${digestOf(encode(image))}`;
  }

  imageFind(repository: string, name: string): string | undefined {
    this.call(`find ${repository} ${name}`);
    return this.tags.get(`${repository}:${name}`);
  }

  imagePush(repository: string, image: string): string {
    const digest = this.imageDigest(image);
    this.change(`push ${repository} ${digest}`);
    const existed = this.tags.has(`${repository}:${digest}`) ? 1 : 0;
    this.tags.set(`${repository}:${digest}`, digest);
    return JSON.stringify({ digest, sent: 1 - existed, existed, mounted: 0 });
  }

  imageTag(repository: string, digest: string, tag: string, fixed: boolean): void {
    this.change(`tag ${repository} ${tag} ${digest}`);
    const known = this.tags.get(`${repository}:${tag}`);
    if (fixed && known !== undefined && known !== digest) throw new Permanent(`${tag} exists with another content`);
    this.tags.set(`${repository}:${tag}`, digest);
  }

  imageUntag(repository: string, tag: string): void {
    this.change(`untag ${repository} ${tag}`);
    this.tags.delete(`${repository}:${tag}`);
  }

  closeAll(): void {}
}

function lay(tree: Tree, files: [path: string, data: Uint8Array][], dir: string): void {
  tree.makeDir(dir);
  for (const [name, data] of files) {
    const path = `${dir}/${name}`;
    tree.makeDir(path.slice(0, path.lastIndexOf("/")));
    tree.put(path, data);
  }
}

/** Returns 64 hexadecimal digits that differ where the bytes do: FNV-1a with eight seeds, for tests alone. */
function digestOf(data: Uint8Array): string {
  const words = [0, 1, 2, 3, 4, 5, 6, 7].map((seed) => {
    let hash = 0x811c9dc5 ^ seed;
    for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
    return (hash >>> 0).toString(16).padStart(8, "0");
  });
  return words.join("");
}

/** Returns a request as the record of calls shows it; of a secret only its name. */
function shownRequest(request: HttpRequest): string {
  const words = [request.method, request.url];
  words.push(...request.headers.map(([name, value]) => `${name}: ${value}`));
  words.push(...request.secretHeaders.map(([name, prefix, secret]) => `${name}: ${prefix}<${secret.name()}>`));
  if (request.basicAuth !== undefined) words.push(`basic ${request.basicAuth[0]}:<${request.basicAuth[1].name()}>`);
  if (request.body !== undefined) words.push(decode(request.body, false));
  if (request.bodyFile !== undefined) words.push(`file ${request.bodyFile}`);
  return words.join(" ");
}

/** Returns a command as the record of calls shows it; of a secret only its name. */
function shownCommand(line: CommandLine): string {
  const place = line.onHost === undefined ? "" : `${line.onHost}: `;
  return [`run ${place}${line.program}`, ...line.args, ...line.secretEnv.map(([name, secret]) => `${name}=<${secret.name()}>`)].join(" ");
}
