/** The step's directories in a component, over `wasi:filesystem`. */

import { type Descriptor, getDirectories } from "wasi:filesystem/preopens@0.2.0";
import { dispose, payloadOf } from "./component-handles.ts";
import { Denied, Invalid, Missing, Permanent, StepError, Transient } from "./errors.ts";
import type { Files } from "./host.ts";
import { joined, wellFormed } from "./text.ts";

const PIECE = 1024 * 1024;
const FOLLOW = { symlinkFollow: true };
const KINDS: Record<string, new (message: string) => StepError> = {
  "no-entry": Missing,
  access: Denied,
  "not-permitted": Denied,
  "read-only": Denied,
  interrupted: Transient,
  "would-block": Transient,
  invalid: Invalid,
};

/** Calls the file system; its code becomes the error that says the same. */
function ask<T>(path: string, call: () => T): T {
  let failed: StepError;
  try {
    return call();
  } catch (thrown) {
    if (thrown instanceof StepError) throw thrown;
    const code = String(payloadOf(thrown));
    failed = new (KINDS[code] ?? Permanent)(`${path}: ${code.replaceAll("-", " ")}`);
  }
  throw failed;
}

/** Runs `use` with a descriptor, and gives it back. */
function using<T>(descriptor: Descriptor, use: (descriptor: Descriptor) => T): T {
  try {
    return use(descriptor);
  } finally {
    dispose(descriptor);
  }
}

/** Runs `use` with the directory that a path lies in, and the rest of the path. */
function within<T>(path: string, use: (root: Descriptor, rest: string) => T): T {
  wellFormed(path);
  const roots = getDirectories();
  try {
    const found = roots.find(([, name]) => path === name || path.startsWith(`${name}/`));
    if (found === undefined) {
      const names = roots.map(([, name]) => name).join(", ");
      throw new Missing(`${path}: no file of this step; it has ${names || "no directory"}`);
    }
    const [root, name] = found;
    return ask(path, () => use(root, path.slice(name.length + 1).replace(/\/+$/, "") || "."));
  } finally {
    for (const [root] of roots) dispose(root);
  }
}

export const files: Files = {
  read(path) {
    return within(path, (root, rest) =>
      using(root.openAt(FOLLOW, rest, {}, { read: true }), (file) => {
        const pieces: Uint8Array[] = [];
        for (let offset = 0; ; ) {
          const [piece, isEnd] = file.read(PIECE, offset);
          pieces.push(piece);
          offset += piece.length;
          if (isEnd || piece.length === 0) return joined(pieces);
        }
      }),
    );
  },

  write(path, data) {
    within(path, (root, rest) =>
      using(root.openAt(FOLLOW, rest, { create: true, truncate: true }, { write: true }), (file) => {
        for (let offset = 0; offset < data.length; ) {
          offset += Number(file.write(data.subarray(offset, offset + PIECE), offset));
        }
      }),
    );
  },

  list(path) {
    return within(path, (root, rest) =>
      using(root.openAt(FOLLOW, rest, { directory: true }, { read: true }), (dir) => {
        const stream = dir.readDirectory();
        const names: string[] = [];
        for (let entry = stream.readDirectoryEntry(); entry !== null && entry !== undefined; entry = stream.readDirectoryEntry()) names.push(entry.name);
        dispose(stream);
        return names;
      }),
    );
  },

  type(path) {
    try {
      const kind = within(path, (root, rest) => using(root.openAt(FOLLOW, rest, {}, { read: true }), (file) => file.getType()));
      return kind === "directory" ? "dir" : kind === "regular-file" ? "file" : "other";
    } catch (error) {
      if (error instanceof Missing) return undefined;
      throw error;
    }
  },

  makeDir(path) {
    within(path, (root, rest) => {
      const parts = rest.split("/").filter((part) => part !== "" && part !== ".");
      for (let depth = 1; depth <= parts.length; depth += 1) {
        try {
          root.createDirectoryAt(parts.slice(0, depth).join("/"));
        } catch (thrown) {
          if (String(payloadOf(thrown)) !== "exist") throw thrown;
        }
      }
    });
  },

  remove(path) {
    const isDir = files.type(path) === "dir";
    within(path, (root, rest) => (isDir ? root.removeDirectoryAt(rest) : root.unlinkFileAt(rest)));
  },
};
