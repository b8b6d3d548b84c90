/**
 * A host in memory, for testing a plugin's logic with `node --test`, without a component.
 *
 * It keeps to the plugin world's words, not to the host's gates: whether a component asks for what it uses shows when `relrun plugin test` runs
 * the built one.
 */

import type { StepError } from "./errors.ts";
import { Tree } from "./fake-files.ts";
import { FakeHost } from "./fake-host.ts";
import { type Facts, use } from "./host.ts";
import type { Needs } from "./need.ts";
import * as operations from "./operations.ts";
import type { Change, Health, Plugin } from "./plugin.ts";
import type { Json } from "./schema.ts";
import { bytesOf, decode } from "./text.ts";

type Content = Uint8Array | string;
type Contents = Record<string, Content>;
type Fields = { [name: string]: unknown };

/** An outcome, its parts as JSON values. */
export interface Answer {
  summary: string;
  outputs: { [name: string]: Json };
  receipt: Json | undefined;
}

/** A recovery; with `done` comes an answer, with `partly` a receipt. */
export interface Recovered {
  kind: "not-done" | "done" | "partly";
  answer?: Answer;
  receipt?: Json;
}

/** The host of a test, and the calls into a plugin. A new one forgets all that the one before it held. */
export class Fake {
  readonly #host = new FakeHost();

  constructor() {
    use(this.#host);
  }

  /** Stages files as `/in/NAME`. */
  input(name: string, files: Contents): this {
    return this.#folder(`/in/${name}`, files);
  }

  /** Makes `/out/NAME`. */
  output(name: string): this {
    return this.#folder(`/out/${name}`, {});
  }

  #folder(root: string, files: Contents): this {
    this.#host.step.makeDir(root);
    for (const [name, content] of Object.entries(files)) put(this.#host.step, `${root}/${name}`, content);
    return this;
  }

  /** Returns the text of one of the step's files: `/out/greeting/index.txt`. */
  file(path: string): string {
    return decode(this.#host.step.read(path));
  }

  /** Adds a host of the environment, with nothing on it. */
  host(name: string, labels: Record<string, string> = {}, settings: Record<string, string> = {}): this {
    this.#host.hosts.set(name, new Tree());
    this.#host.hostLabel.set(name, labels);
    this.#host.hostSet.set(name, settings);
    return this;
  }

  /** Keeps a tree of files; returns its digest. */
  tree(files: Contents): string {
    return this.#host.keep(Object.entries(files).map(([name, content]) => [name, bytesOf(content)]));
  }

  /** Adds a secret. */
  secret(name: string, value: string): this {
    this.#host.secrets.set(name, value);
    return this;
  }

  /** Adds the answer to the next HTTP request that has none yet. A request without one is refused, as by a closed port. */
  answer(status: number, body: Content = "", headers: Record<string, string> = {}): this {
    this.#host.answers.push({ status, body: bytesOf(body), headers: Object.entries(headers) });
    return this;
  }

  /** Says how a command ends and what it writes, from now on; one that nothing is said of ends with 0. */
  command(argv: readonly string[], ended: { code?: number; stdout?: Content; stderr?: Content }): this {
    const { code = 0, stdout = "", stderr = "" } = ended;
    this.#host.ends.set(argv.join("\0"), { code, stdout: bytesOf(stdout), stderr: bytesOf(stderr) });
    return this;
  }

  /** Fails the next call whose record begins with these words, once; with `after`, when so many of them went well. */
  fail(call: string, error: StepError, options: { after?: number } = {}): this {
    this.#host.faults.push({ begin: call, error, after: options.after ?? 0 });
    return this;
  }

  /** Lets that many changes through from now on, then none, nor any checkpoint: the world as a crash leaves it. */
  crashAfter(changes: number): this {
    this.#host.changes = 0;
    this.#host.crashAfter = changes;
    return this;
  }

  /** Starts again after a crash. */
  restart(): this {
    this.#host.crashAfter = undefined;
    return this;
  }

  /** Sets what `context` answers. */
  context(facts: Partial<Omit<Facts, "previous" | "unfinished">>): this {
    Object.assign(this.#host.facts, facts);
    return this;
  }

  /** Sets something in the environment. */
  setting(name: string, value: string): this {
    this.#host.settings.set(name, value);
    return this;
  }

  /** Gives the environment a label. */
  label(name: string, value: string): this {
    this.#host.label[name] = value;
    return this;
  }

  /** Sets what this deployment's last `apply` left. */
  previous(receipt: Json): this {
    this.#host.facts.previous = JSON.stringify(receipt);
    return this;
  }

  /** Sets the last checkpoint of an earlier attempt, which did not end well. */
  unfinished(checkpoint: Json): this {
    this.#host.facts.unfinished = JSON.stringify(checkpoint);
    return this;
  }

  /** Writes a file on a host, and makes its directories. */
  write(host: string, path: string, content: Content): this {
    put(this.#host.tree(host), path, content);
    return this;
  }

  /** Returns a file's text on a host; links are followed. */
  read(host: string, path: string): string {
    return decode(this.#host.tree(host).read(path));
  }

  /** Returns the names in a directory on a host. */
  names(host: string, path: string): string[] {
    return this.#host.tree(host).list(path).map((entry) => entry.name);
  }

  /** Returns where a link on a host points. */
  link(host: string, path: string): string | undefined {
    return this.#host.tree(host).stat(path)?.target;
  }

  /** Puts another ledger's mark into a directory. */
  stranger(host: string, dir: string): this {
    this.#host.marks.set(`${host}:${dir}`, "stranger");
    return this;
  }

  /** Returns whether a directory on a host carries a mark. */
  isClaimed(host: string, dir: string): boolean {
    return this.#host.marks.has(`${host}:${dir}`);
  }

  /** Returns the digest that a tag of a repository stands for. */
  imageTag(repository: string, tag: string): string | undefined {
    return this.#host.tags.get(`${repository}:${tag}`);
  }

  /** Returns the calls that were recorded, and forgets them. */
  calls(): string[] {
    return this.#host.calls.splice(0);
  }

  /** Returns the checkpoints, oldest first, and forgets them. */
  checkpoints(): Json[] {
    return this.#host.checkpoints.splice(0);
  }

  /** Returns the lines of the log, `info: greeting World`. */
  lines(): string[] {
    return [...this.#host.lines];
  }

  /** Calls `describe`; the schemas as JSON values. */
  describe(plugin: Plugin): { name: string; version: string; summary: string; config: Fields; outputs: Fields } {
    const { name, version, summary, configSchema, outputsSchema } = operations.describe(plugin);
    return { name, version, summary, config: JSON.parse(configSchema) as Fields, outputs: JSON.parse(outputsSchema) as Fields };
  }

  /** Calls `resolve`. What it throws is one of the SDK's errors, as of every call. */
  resolve(plugin: Plugin, config: unknown): Needs {
    return operations.guarded(() => operations.resolve(plugin, JSON.stringify(config)));
  }

  /** Calls `plan`. */
  plan(plugin: Plugin, config: unknown): Change[] {
    return operations.guarded(() => operations.plan(plugin, JSON.stringify(config)));
  }

  /** Calls `apply`. */
  apply(plugin: Plugin, config: unknown): Answer {
    return answerOf(operations.guarded(() => operations.apply(plugin, JSON.stringify(config))));
  }

  /** Calls `recover`, with the last checkpoint where there was one. */
  recover(plugin: Plugin, config: unknown, ...checkpoint: unknown[]): Recovered {
    const state = checkpoint.length === 0 ? undefined : JSON.stringify(checkpoint[0]);
    const found = operations.guarded(() => operations.recover(plugin, JSON.stringify(config), state));
    if (found.kind === "done") return { kind: "done", answer: answerOf(found.answer) };
    return found.kind === "partly" ? { kind: "partly", receipt: JSON.parse(found.receipt) as Json } : { kind: "not-done" };
  }

  /** Calls `verify`. */
  verify(plugin: Plugin, config: unknown, receipt: unknown): Health {
    return operations.guarded(() => operations.verify(plugin, JSON.stringify(config), JSON.stringify(receipt)));
  }

  /** Calls `undo`. */
  undo(plugin: Plugin, config: unknown, receipt: unknown): Answer {
    return answerOf(operations.guarded(() => operations.undo(plugin, JSON.stringify(config), JSON.stringify(receipt))));
  }

  /** Calls `destroy`. */
  destroy(plugin: Plugin, config: unknown, receipt: unknown): Answer {
    return answerOf(operations.guarded(() => operations.destroy(plugin, JSON.stringify(config), JSON.stringify(receipt))));
  }

  /** Calls `adoption.find`. */
  find(plugin: Plugin, config: unknown): Answer {
    return answerOf(operations.guarded(() => operations.find(plugin, JSON.stringify(config))));
  }
}

function put(tree: Tree, path: string, content: Content): void {
  tree.makeDir(path.slice(0, path.lastIndexOf("/")) || "/");
  tree.put(path, bytesOf(content));
}

function answerOf(answer: operations.Answer): Answer {
  return {
    summary: answer.summary,
    outputs: JSON.parse(answer.outputs) as { [name: string]: Json },
    receipt: answer.receipt === undefined ? undefined : (JSON.parse(answer.receipt) as Json),
  };
}
