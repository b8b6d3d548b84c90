/** Trees of files, named by their digest, moved by the host without passing through the plugin. */

import { current } from "./host.ts";

/** Records a directory of the step (`/in/NAME`, `/out/NAME`, `/tmp/…`) as a tree; returns its digest in hexadecimal. */
export const capture = (dir: string): string => current().capture(dir);
/** Lays a tree into an empty or missing directory of the step. */
export const restore = (digest: string, dir: string): void => current().restore(digest, dir);
