/** The errors of a plugin and of every call to the host: one class for each case of the plugin world. */

/** The kinds of error, as the plugin world names them. */
export type ErrorKind = "invalid" | "denied" | "missing" | "timed-out" | "cancelled" | "transient" | "permanent" | "other";

const MAX_CHAIN = 32;

/** Why a step or a call to the host failed. Throw one of its subclasses. */
export class StepError extends Error {
  readonly kind: ErrorKind = "other";

  constructor(message = "", options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }

  /** Returns the same error with what was being done before the message; the kind stays. */
  context(doing: string): StepError {
    return named(this.kind, `${doing}: ${this.message}`);
  }
}

/** The manifest's author made a mistake; another try cannot help. */
export class Invalid extends StepError {
  override readonly kind = "invalid";
}

/** No grant covers it, or policy forbids it. */
export class Denied extends StepError {
  override readonly kind = "denied";
}

/** Something that should be there is not. */
export class Missing extends StepError {
  override readonly kind = "missing";
}

/** It took longer than it may. */
export class TimedOut extends StepError {
  override readonly kind = "timed-out";
}

/** The release is being cancelled: clean up and return. */
export class Cancelled extends StepError {
  override readonly kind = "cancelled";

  constructor(message = "the release is being cancelled", options?: { cause?: unknown }) {
    super(message, options);
  }
}

/** Another try may help; the host tries again where the step's `retry` says so. */
export class Transient extends StepError {
  override readonly kind = "transient";
}

/** Another try cannot help. */
export class Permanent extends StepError {
  override readonly kind = "permanent";
}

/** None of the other kinds. */
export class Other extends StepError {
  override readonly kind = "other";
}

const KINDS: Record<ErrorKind, new (message?: string) => StepError> = {
  invalid: Invalid,
  denied: Denied,
  missing: Missing,
  "timed-out": TimedOut,
  cancelled: Cancelled,
  transient: Transient,
  permanent: Permanent,
  other: Other,
};

/** Returns an error of the kind that the world names so. */
export function named(kind: string, message?: string): StepError {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind as ErrorKind] : Other;
  return new known(message);
}

/**
 * Returns what leaves the plugin for something that nobody caught.
 *
 * One of ours leaves as itself. One that has one of ours as its `cause` keeps that one's kind: a host's error is not lost by being wrapped.
 * Whatever is left is a mistake of the plugin, told with its place.
 */
export function errorOf(thrown: unknown): StepError {
  if (thrown instanceof StepError) return thrown;
  const cause = causeOf(thrown);
  if (cause !== undefined) return named(cause.kind, `${textOf(thrown)}: ${cause.message}`);
  if (thrown instanceof Error) return new Permanent(`${thrown.name}: ${textOf(thrown)}${placeOf(thrown)}`);
  return new Permanent(`thrown: ${textOf(thrown)}`);
}

function causeOf(thrown: unknown): StepError | undefined {
  let here = thrown;
  for (let depth = 0; depth < MAX_CHAIN; depth += 1) {
    here = here instanceof Error ? here.cause : undefined;
    if (here instanceof StepError) return here;
  }
  return undefined;
}

function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : typeof thrown === "string" ? thrown : (JSON.stringify(thrown) ?? String(thrown));
  } catch {
    return "something that has no text";
  }
}

/** Returns the innermost function of a stack: the bundle's lines say nothing to the author, its names do. */
function placeOf(error: Error): string {
  const line = /^\s*(?:at\s+)?([\w$.<>]+)\s*[(@]/m.exec(String(error.stack ?? "").replace(`${error.name}: ${error.message}`, ""));
  return line?.[1] !== undefined && line[1] !== "<anonymous>" ? ` (in ${line[1]})` : "";
}
