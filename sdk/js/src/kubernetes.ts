/** One namespace of a Kubernetes cluster. The host finds the cluster by its context, and holds the credentials. */

import { current } from "./host.ts";
import { Request } from "./http.ts";
import type { Json } from "./schema.ts";
import { jsonOf } from "./text.ts";

/** A namespace of the cluster that a context of the user's kubeconfig names. It is reached only where a grant names both. */
export class Namespace {
  readonly context: string;
  readonly name: string;

  constructor(context: string, name: string) {
    this.context = context;
    this.name = name;
  }

  /** Starts a request to the API server. The path begins with `/api` or `/apis`, and lies in the namespace. */
  request(method: string, path: string): Request {
    return new Request(method, path, [this.context, this.name]);
  }
}

/** Names a namespace of a cluster. */
export function namespace(context: string, name: string): Namespace {
  return new Namespace(context, name);
}

/**
 * Returns this ledger's mark, to stand on an object from its first change on. `found` is the mark that is there: another ledger's is `Denied`
 * until the user says `--adopt`. `object` names the object for the person who reads that.
 */
export function mark(found: Json | undefined, object: string): Json {
  return JSON.parse(current().mark(found === undefined || found === null ? undefined : jsonOf(found, "the mark"), object)) as Json;
}
