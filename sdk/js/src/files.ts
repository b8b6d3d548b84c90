/** Files of the step: `/in/NAME` of each `reads` (read-only), `/out/NAME` of each `writes`, and `/tmp`. */

import { current } from "./host.ts";
import { bytesOf, decode } from "./text.ts";

/** Returns a file's bytes. */
export const read = (path: string): Uint8Array => current().files.read(path);
/** Returns a file's text, in UTF-8. */
export const readText = (path: string): string => decode(current().files.read(path));
/** Returns the names in a directory, sorted. */
export const list = (path: string): string[] => current().files.list(path).sort();
/** Returns what is at a path. */
export const type = (path: string): "file" | "dir" | "other" | undefined => current().files.type(path);
/** Makes a directory and its parents; one that is there is no error. */
export const makeDir = (path: string): void => current().files.makeDir(path);
/** Removes a file or an empty directory. */
export const remove = (path: string): void => current().files.remove(path);

/** Writes a file in place of what it held; its directory must be there. Returns its length in bytes. */
export function write(path: string, data: Uint8Array | string): number {
  const bytes = bytesOf(data);
  current().files.write(path, bytes);
  return bytes.length;
}
