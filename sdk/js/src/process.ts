/** Commands on the host machine. Each argument is checked against the grants; there is no shell. */

import { mutation } from "./guard.ts";
import { type ChildHandle, type CommandLine, current } from "./host.ts";
import type { Secret } from "./secrets.ts";
import { bytesOf, decode, joined } from "./text.ts";

const PIECE = 65536;

/** What a command left: its exit code, or 128 plus the signal, and what it wrote. */
export class Output {
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;

  constructor(code: number, stdout: Uint8Array, stderr: Uint8Array) {
    this.code = code;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** The standard output as text; what is no UTF-8 is replaced. */
  get text(): string {
    return decode(this.stdout, false);
  }
}

/** A command that runs. The SDK ends it, with its whole process tree, when the operation ends. */
export class Child {
  readonly #handle: ChildHandle;

  constructor(handle: ChildHandle) {
    this.#handle = handle;
  }

  /** Returns the next bytes of a stream, at most `max`; empty at the end. */
  read(which: "stdout" | "stderr" = "stdout", max = PIECE): Uint8Array {
    return this.#handle.read(which, max);
  }

  /** Waits for its end; returns the exit code, or 128 plus the signal. */
  wait(): number {
    return this.#handle.wait();
  }

  /** Ends its whole process tree. */
  kill(): void {
    this.#handle.kill();
  }

  /** Gives the handle back now, which ends it. Twice does no harm. */
  close(): void {
    this.#handle.close();
  }
}

/** A command being made. Each method returns the command, so that they can be chained. */
export class Command {
  /** For the SDK's own modules. */
  readonly line: CommandLine;
  /** For the SDK's own modules. */
  isReadonly = false;

  constructor(program: string, args: readonly string[]) {
    this.line = { program, args: [...args], env: [], secretEnv: [] };
  }

  /** Adds arguments. */
  arg(...args: string[]): this {
    this.line.args.push(...args);
    return this;
  }

  /** Says where it starts, relative to `/work`. */
  dir(path: string): this {
    this.line.dir = path;
    return this;
  }

  /** Sets a variable. The loader's and interpreters' own variables need a grant by name. */
  env(name: string, value: string): this {
    this.line.env.push([name, value]);
    return this;
  }

  /** Sets a variable to a secret that was granted to this command. */
  secretEnv(name: string, secret: Secret): this {
    this.line.secretEnv.push([name, secret.handle]);
    return this;
  }

  /** Gives it these bytes to read. Without, it reads nothing. */
  stdin(data: Uint8Array | string): this {
    this.line.stdin = bytesOf(data);
    return this;
  }

  /** Runs it on one of the environment's hosts instead. */
  onHost(host: string): this {
    this.line.onHost = host;
    return this;
  }

  /** Says that it changes nothing, so that it needs no checkpoint. `plan` and `verify` still need a `readonly` grant. */
  readonly(): this {
    this.isReadonly = true;
    return this;
  }

  /** Runs it to the end; its output goes to the log as it comes. Returns the exit code, or 128 plus the signal. */
  run(): number {
    this.#guard();
    return current().run(this.line);
  }

  /** Starts it, for reading its output. With a function, that gets the child, which ends when the function does. */
  spawn(): Child;
  spawn<T>(use: (child: Child) => T): T;
  spawn<T>(use?: (child: Child) => T): Child | T {
    this.#guard();
    const child = new Child(current().spawn(this.line));
    if (use === undefined) return child;
    try {
      return use(child);
    } finally {
      child.close();
    }
  }

  /** Runs it to the end and returns what it wrote. */
  output(): Output {
    return this.spawn((child) => {
      // One after the other is no deadlock: the host keeps what is not read yet.
      const stdout = drained(child, "stdout");
      const stderr = drained(child, "stderr");
      return new Output(child.wait(), stdout, stderr);
    });
  }

  #guard(): void {
    if (!this.isReadonly) mutation();
  }
}

function drained(child: Child, which: "stdout" | "stderr"): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let piece = child.read(which); piece.length > 0; piece = child.read(which)) pieces.push(piece);
  return joined(pieces);
}

/** Names a program, found on the host's fixed path, and its arguments. */
export function command(program: string, ...args: string[]): Command {
  return new Command(program, args);
}
