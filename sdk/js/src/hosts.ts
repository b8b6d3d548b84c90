/** Files on the environment's hosts. Paths are absolute on the host; what no `host` grant covers is denied. */

import { mutation } from "./guard.ts";
import { current, type Entry } from "./host.ts";
import { bytesOf } from "./text.ts";

export type { Entry, FileType } from "./host.ts";

/** One of the environment's hosts, by its name; whether it is there shows at the first call. */
export class Host {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Its labels. */
  get labels(): Record<string, string> {
    return Object.fromEntries(current().hostLabels(this.name));
  }

  /** Returns what the environment sets for it under this name. */
  setting(name: string): string | undefined {
    return current().hostSetting(this.name, name);
  }

  /** Returns whether it has the labels of a selector: `role=web,zone=a`; an empty one and `*` select every host. */
  isSelected(selector: string): boolean {
    const wanted = selector.split(",").map((part) => part.trim()).filter((part) => part !== "" && part !== "*");
    if (wanted.length === 0) return true;
    const has = new Set(Object.entries(this.labels).map(([key, value]) => `${key}=${value}`));
    return wanted.every((part) => has.has(part));
  }

  /** Lays a tree into a new directory; what the host already has is not sent again. A half-made one is removed on failure. */
  upload(digest: string, path: string): void {
    mutation();
    current().upload(this.name, digest, path);
  }

  /** Records a directory as a tree, and changes nothing there; returns its digest. What lies at the paths of `without` is left out. */
  fetch(path: string, without: readonly string[] = []): string {
    return current().fetch(this.name, path, [...without]);
  }

  /** Lists a directory, sorted by name. */
  readDir(path: string): Entry[] {
    return current().readDir(this.name, path);
  }

  /** Returns what is at the path. A link is not followed. */
  stat(path: string): Entry | undefined {
    return current().stat(this.name, path);
  }

  /** Makes a directory and its parents; one that is there is no error. */
  makeDir(path: string): void {
    mutation();
    current().makeDir(this.name, path);
  }

  /** Makes a link at `path`; fails where something is there. */
  symlink(target: string, path: string): void {
    mutation();
    current().symlink(this.name, target, path);
  }

  /** Replaces what is at `to` in one step, or fails. */
  rename(old: string, to: string): void {
    mutation();
    current().rename(this.name, old, to);
  }

  /** Returns a file's bytes, at most 16 MiB. */
  readFile(path: string): Uint8Array {
    return current().readFile(this.name, path);
  }

  /** Writes a file in one step: a temporary name beside it, then a rename. */
  writeFile(path: string, data: Uint8Array | string): void {
    mutation();
    current().writeFile(this.name, path, bytesOf(data));
  }

  /** Removes a file, a link, or a directory with all that is in it; what is not there is no error. */
  remove(path: string): void {
    mutation();
    current().remove(this.name, path);
  }

  /** Puts this ledger's mark into a directory, before the first change to it. Another ledger's is `Denied` until the user says `--adopt`. */
  claim(dir: string): void {
    mutation();
    current().claim(this.name, dir);
  }

  /** Takes the mark away, last thing of a `destroy`. */
  disclaim(dir: string): void {
    mutation();
    current().disclaim(this.name, dir);
  }
}

/** Returns the hosts of the environment that the grants name, in the manifest's order. */
export function all(): Host[] {
  return current().hostNames().map((name) => new Host(name));
}

/** Returns the hosts that have the labels of a selector: `role=web,zone=a`; an empty one and `*` select all of them. */
export function selected(selector: string): Host[] {
  return all().filter((host) => host.isSelected(selector));
}

/** Names a host, which may be one of a receipt's. */
export function host(name: string): Host {
  return new Host(name);
}
