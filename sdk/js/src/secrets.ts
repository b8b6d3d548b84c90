/** Secrets are handles; the bytes stay with the host, which puts them where the grant says. */

import { current, type SecretHandle } from "./host.ts";
import { bytesOf } from "./text.ts";

/** A secret of the manifest that the step was granted. The SDK gives the handle back when the operation ends. */
export class Secret {
  /** For the SDK's own modules. */
  readonly handle: SecretHandle;

  constructor(handle: SecretHandle) {
    this.handle = handle;
  }

  /** Its name in the manifest. */
  get name(): string {
    return this.handle.name();
  }

  /** Returns the text, where the grant says `reveal=true`; `Denied` otherwise. */
  reveal(): string {
    return this.handle.reveal();
  }

  /** Returns the HMAC-SHA-256 of the data under this secret. */
  sign(data: Uint8Array | string): Uint8Array {
    return this.handle.sign(bytesOf(data));
  }

  /** Gives the handle back now. Twice does no harm. */
  close(): void {
    this.handle.close();
  }
}

/** Finds a secret by its name in the manifest. A config's `${secret.NAME}` is that name. */
export function get(name: string): Secret {
  return new Secret(current().secret(name));
}
