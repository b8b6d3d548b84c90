/** A file system in memory, with the rules of `hosts` in the plugin world. The fake keeps the step's own files in one too. */

import { Missing, Permanent } from "./errors.ts";
import type { Entry } from "./host.ts";

const MAX_LINKS = 16;

/** Nothing is a directory, bytes are a file, a text is a link. */
type Node = null | Uint8Array | string;

/** One host's files, by absolute path without a final slash. */
export class Tree {
  readonly #nodes = new Map<string, Node>([["/", null]]);

  stat(path: string): Entry | undefined {
    const real = this.#real(path);
    const node = this.#nodes.get(real);
    return node === undefined ? undefined : entryOf(real, node);
  }

  /** What is at a path, with links followed. */
  type(path: string): "file" | "dir" | undefined {
    const node = this.#nodes.get(this.#followed(normal(path), MAX_LINKS));
    return node === undefined ? undefined : node === null ? "dir" : "file";
  }

  read(path: string): Uint8Array {
    const node = this.#at(this.#followed(normal(path), MAX_LINKS), path);
    if (node instanceof Uint8Array) return node;
    throw new Permanent(`${path} is no file`);
  }

  list(path: string): Entry[] {
    const dir = this.#followed(normal(path), MAX_LINKS);
    if (this.#at(dir, path) !== null) throw new Permanent(`${path} is no directory`);
    const found = [...this.#nodes].filter(([at]) => at !== "/" && parentOf(at) === dir);
    return found.map(([at, node]) => entryOf(at, node)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Returns the files below a directory, by their paths in it, sorted. */
  filesOf(path: string): [path: string, data: Uint8Array][] {
    const dir = this.#followed(normal(path), MAX_LINKS);
    if (this.#at(dir, path) !== null) throw new Permanent(`${path} is no directory`);
    const below = [...this.#nodes].filter(([at]) => isBelow(at, dir));
    const files = below.flatMap(([at, node]): [string, Uint8Array][] => (node instanceof Uint8Array ? [[at.slice(dir === "/" ? 1 : dir.length + 1), node]] : []));
    return files.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  makeDir(path: string): void {
    let made = "";
    for (const name of this.#real(path).split("/").filter((part) => part !== "")) {
      made += `/${name}`;
      const node = this.#nodes.get(made);
      if (node === undefined) this.#nodes.set(made, null);
      else if (node !== null) throw new Permanent(`${made} is no directory`);
    }
  }

  /** Puts a file or a link where no directory is; its directory must be there. */
  put(path: string, node: Node): void {
    this.#nodes.set(this.#vacantOrFile(path), node);
  }

  symlink(target: string, path: string): void {
    if (this.stat(path) !== undefined) throw new Permanent(`${path}: something is there`);
    this.put(path, target);
  }

  rename(old: string, to: string): void {
    const source = this.#real(old);
    const node = this.#at(source, old);
    const target = this.#vacantOrFile(to);
    const moved = [...this.#nodes].filter(([at]) => isBelow(at, source)).map(([at, one]): [string, Node] => [target + at.slice(source.length), one]);
    this.remove(old);
    for (const [at, one] of [[target, node] as [string, Node], ...moved]) this.#nodes.set(at, one);
  }

  remove(path: string): void {
    const real = this.#real(path);
    for (const at of [...this.#nodes.keys()]) if (at === real || isBelow(at, real)) this.#nodes.delete(at);
  }

  #at(real: string, shown: string): Node {
    const node = this.#nodes.get(real);
    if (node === undefined) throw new Missing(`${shown} is not there`);
    return node;
  }

  /** Returns the path with every link but the last part's followed. */
  #real(path: string): string {
    const at = normal(path);
    return at === "/" ? at : joined(this.#followed(parentOf(at), MAX_LINKS), nameOf(at));
  }

  #followed(path: string, left: number): string {
    if (path === "/") return path;
    if (left === 0) throw new Permanent(`${path}: too many links`);
    const parent = this.#followed(parentOf(path), left);
    const here = joined(parent, nameOf(path));
    const node = this.#nodes.get(here);
    return typeof node === "string" ? this.#followed(normal(node.startsWith("/") ? node : `${parent}/${node}`), left - 1) : here;
  }

  #vacantOrFile(path: string): string {
    const real = this.#real(path);
    if (this.#nodes.get(parentOf(real)) !== null) throw new Missing(`${parentOf(real)} is not there`);
    if (this.#nodes.get(real) === null) throw new Permanent(`${path} is a directory`);
    return real;
  }
}

function normal(path: string): string {
  if (!path.startsWith("/")) throw new Permanent(`${path} is no absolute path`);
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function joined(parent: string, name: string): string {
  return parent === "/" ? `/${name}` : `${parent}/${name}`;
}

function isBelow(path: string, dir: string): boolean {
  return path !== dir && path.startsWith(dir === "/" ? dir : `${dir}/`);
}

function entryOf(path: string, node: Node): Entry {
  const name = nameOf(path);
  if (typeof node === "string") return { name, type: "link", target: node };
  return { name, type: node === null ? "dir" : "file" };
}
