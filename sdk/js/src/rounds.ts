/** Work on several hosts at once: what is queued for a host is done in order, and the hosts' parts are done side by side. */

import { named, type StepError } from "./errors.ts";
import { mutation } from "./guard.ts";
import { current, type Deed } from "./host.ts";
import { Host } from "./hosts.ts";
import type { Command } from "./process.ts";
import { bytesOf } from "./text.ts";

/** What is to be done on some hosts. A host's part ends with the first thing that fails; those of the others go on. */
export class Round {
  readonly #parallel: number;
  #deeds: Deed[] = [];
  #changes = false;

  /** At most `parallel` hosts are worked on at once; 0 leaves it to relrun. */
  constructor(parallel = 0) {
    this.#parallel = parallel;
  }

  #add(deed: Deed, changes = true): this {
    this.#deeds.push(deed);
    this.#changes ||= changes;
    return this;
  }

  /** See `Host.claim`. */
  claim(host: Host, dir: string): this {
    return this.#add({ host: host.name, deed: "claim", dir });
  }

  /** See `Host.disclaim`. */
  disclaim(host: Host, dir: string): this {
    return this.#add({ host: host.name, deed: "disclaim", dir });
  }

  /** See `Host.makeDir`. */
  makeDir(host: Host, path: string): this {
    return this.#add({ host: host.name, deed: "makeDir", path });
  }

  /** See `Host.upload`. */
  upload(host: Host, digest: string, path: string): this {
    return this.#add({ host: host.name, deed: "upload", digest, path });
  }

  /** See `Host.symlink`. */
  symlink(host: Host, target: string, path: string): this {
    return this.#add({ host: host.name, deed: "symlink", target, path });
  }

  /** See `Host.rename`. */
  rename(host: Host, old: string, to: string): this {
    return this.#add({ host: host.name, deed: "rename", old, new: to });
  }

  /** See `Host.writeFile`. */
  writeFile(host: Host, path: string, data: Uint8Array | string): this {
    return this.#add({ host: host.name, deed: "writeFile", path, data: bytesOf(data) });
  }

  /** See `Host.remove`. */
  remove(host: Host, path: string): this {
    return this.#add({ host: host.name, deed: "remove", path });
  }

  /** Runs the command on the host; another exit code than 0 is an error. */
  run(host: Host, command: Command): this {
    return this.#add({ host: host.name, deed: "run", command: command.line }, !command.isReadonly);
  }

  /** Does all of it, and empties the round. Returns each host and its error, in the order in which the hosts were first named. */
  perform(): { host: Host; error: StepError | undefined }[] {
    const deeds = this.#deeds;
    this.#deeds = [];
    if (deeds.length === 0) return [];
    if (this.#changes) mutation();
    return current().perform(this.#parallel, deeds).map(([name, error]) => ({ host: new Host(name), error }));
  }

  /** Does all of it; throws an error where any host's part failed: of the first one's kind, and it names every host that failed, and why. */
  performAll(): void {
    const failed = this.perform().flatMap(({ host, error }) => (error === undefined ? [] : [error.context(host.name)]));
    const [first] = failed;
    if (first !== undefined) throw named(first.kind, failed.map((error) => error.message).join("; "));
  }
}

/** Starts an empty round. At most `parallel` hosts are worked on at once; 0 leaves it to relrun. */
export function round(parallel = 0): Round {
  return new Round(parallel);
}
