/** One repository of an OCI registry. The host makes the images of trees, holds the credentials, and sends what is not there yet. */

import { mutation } from "./guard.ts";
import { current } from "./host.ts";
import { jsonName } from "./schema.ts";
import { jsonOf } from "./text.ts";

/** A layer: a tree's digest, and where it goes in the image; of a tree that is one file, the file's path. */
export interface Layer {
  tree: string;
  to?: string;
}

/** The image of one platform, such as `linux/amd64`; the lowest layer first. `created` is like `2026-11-21T12:00:00Z`. */
export interface Platform {
  platform: string;
  layers: Layer[];
  entrypoint?: string[];
  cmd?: string[];
  env?: string[];
  user?: string;
  workingDir?: string;
  ports?: string[];
  labels?: Record<string, string>;
  created?: string;
}

/**
 * What an image is: made of layers, or `layout`, the digest of a tree that is an OCI image layout, with the `name` in it that is meant.
 * `mountFrom` is another granted repository of the same registry that may have the layers.
 */
export interface Image {
  images?: Platform[];
  layout?: string;
  name?: string;
  annotations?: Record<string, string>;
  mountFrom?: string;
}

/** How an image got there: how many layers and configs were sent, were there, or were taken from another repository. */
export interface Pushed {
  digest: string;
  sent: number;
  existed: number;
  mounted: number;
}

/** Makes the image, and returns its digest; nothing is sent. The same trees and the same words give the same digest. */
export function digest(image: Image): string {
  return current().imageDigest(told(image));
}

/** A repository, `registry.example.com/acme/shop`. It is reached only where a grant names it. */
export class Repository {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Returns the digest that a tag or a digest stands for, where it is there. */
  find(name: string): string | undefined {
    return current().imageFind(this.name, name);
  }

  /** Sends an image by its digest alone; what is there is not sent again. */
  push(image: Image): Pushed {
    mutation();
    return JSON.parse(current().imagePush(this.name, told(image))) as Pushed;
  }

  /** Points a tag at a digest that is there. One that is `fixed` is never taken from another digest. */
  tag(digest: string, tag: string, options: { fixed?: boolean } = {}): void {
    mutation();
    current().imageTag(this.name, digest, tag, options.fixed ?? false);
  }

  /** Takes a tag away; what it stood for stays. `Other` where the registry cannot do that. */
  untag(tag: string): void {
    mutation();
    current().imageUntag(this.name, tag);
  }
}

/** Names a repository. */
export function repository(name: string): Repository {
  return new Repository(name);
}

/** Returns an image as the host is told of it. */
function told(image: Image): string {
  const words = (one: object): object => Object.fromEntries(Object.entries(one).map(([name, value]) => [jsonName(name), value as unknown]));
  return jsonOf(words({ ...image, ...(image.images === undefined ? {} : { images: image.images.map(words) }) }), "the image");
}
