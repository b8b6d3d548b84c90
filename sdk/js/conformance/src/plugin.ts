// The conformance plugin: it does what its config says. `tests/conformance/README.md` tells the script's language.

import {
  type Change,
  checkpoint,
  context,
  definePlugin,
  files,
  type Health,
  hosts,
  http,
  Invalid,
  type Json,
  kubernetes,
  log,
  need,
  type Outcome,
  process,
  registry,
  rounds,
  secrets,
  StepError,
  text,
  trees,
} from "relrun-sdk";
import { errorOf, named } from "relrun-sdk/errors";

/** What a script says: JSON, whose shape the cases vouch for. */
type Args = any;

/** One operation's part of the script, and the receipt or checkpoint that it was given. */
class Part {
  readonly script: Args;
  readonly transcript: Json[];

  constructor(script: Args, given: Json = null) {
    this.script = script ?? {};
    this.transcript = [];
    for (const action of this.script.do ?? []) this.transcript.push(perform(action, given) ?? null);
  }

  outcome(): Outcome<Args, Json> {
    const { summary = "done", outputs = {}, receipt } = this.script;
    return { summary, outputs: { ...outputs, transcript: this.transcript }, receipt };
  }

  changes(): Change[] {
    return [...(this.script.changes ?? []), { summary: "transcript", detail: JSON.stringify(this.transcript) }];
  }

  line(): string {
    return this.script.summary ?? JSON.stringify(this.transcript);
  }
}

export default definePlugin({
  name: "conformance",
  version: "0.1.0",
  summary: "Does what its config says",
  config: { properties: { needs: { type: "array", items: { type: "string" } } }, additionalProperties: true },
  outputs: { type: "object" },
  receipt: {},

  resolve(config: Args) {
    if (config.resolve === "refuse") throw new Invalid("refused");
    const requests = (config.needs ?? []).map((capability: string) => ({ capability, reason: "the script asks for it" }));
    return config.kind === "pure" ? need.pure(...requests) : need.effect({ idempotent: config.idempotent ?? true }, ...requests);
  },

  plan: (config: Args) => new Part(config.plan).changes(),
  apply: (config: Args) => new Part(config.apply).outcome(),

  recover(config: Args, came) {
    const part = new Part(config.recover, came.state === "saved" ? came.receipt : null);
    switch (part.script.recovery) {
      case "done":
        return { recovery: "done", outcome: part.outcome() };
      case "partly":
        return { recovery: "partly", receipt: "receipt" in part.script ? part.script.receipt : { transcript: part.transcript } };
      default:
        return { recovery: "not-done" };
    }
  },

  verify(config: Args, receipt): Health {
    const part = new Part(config.verify, receipt);
    if (part.script.health === "drifted") return { health: "drifted", changes: part.changes() };
    return { health: part.script.health === "gone" ? "gone" : "intact" };
  },

  undo: (config: Args, receipt) => new Part(config.undo, receipt).line(),
  destroy: (config: Args, receipt) => new Part(config.destroy, receipt).line(),
});

/** Does one action; what it throws is caught or wrapped where the action says so. */
function perform(action: Args, given: Json): Json {
  try {
    if (action.do === "given") return given;
    const act = Object.hasOwn(actions, action.do) ? actions[action.do] : undefined;
    if (act === undefined) throw new Invalid(`${action.do} is no action`);
    return act(action) as Json;
  } catch (error) {
    if (action.catch === true) return told(errorOf(error));
    if (action.wrap !== undefined) throw new Error(action.wrap, { cause: error });
    throw error;
  }
}

function told(error: StepError): Json {
  return { error: error.kind, message: error.message };
}

function send(a: Args, request: http.Request): Json {
  for (const [name, value] of a.headers ?? []) request.header(name, value);
  if (a["secret-header"] !== undefined) {
    const [name, prefix, secret] = a["secret-header"];
    request.secretHeader(name, prefix, secrets.get(secret));
  }
  if (a["basic-auth"] !== undefined) {
    const [user, secret] = a["basic-auth"];
    request.basicAuth(user, secrets.get(secret));
  }
  if (a.body !== undefined) request.body(a.body);
  if (a["body-file"] !== undefined) request.bodyFile(a["body-file"]);
  if (a.timeout !== undefined) request.timeout(a.timeout);
  const response = request.send();
  const answer = { status: response.status, headers: response.headers };
  if (a.save !== undefined) return { ...answer, saved: response.save(a.save) };
  return { ...answer, body: drained(() => response.read(a.max ?? 65536)) };
}

function drained(read: () => Uint8Array): string {
  const pieces: Uint8Array[] = [];
  for (let piece = read(); piece.length > 0; piece = read()) pieces.push(piece);
  return text.decode(text.joined(pieces));
}

function command(a: Args): process.Command {
  const made = process.command(a.program, ...(a.args ?? []));
  for (const [name, value] of Object.entries(a.env ?? {})) made.env(name, value as string);
  if (a.dir !== undefined) made.dir(a.dir);
  if (a["secret-env"] !== undefined) {
    const [name, secret] = a["secret-env"];
    made.secretEnv(name, secrets.get(secret));
  }
  if (a.stdin !== undefined) made.stdin(a.stdin);
  if (a["on-host"] !== undefined) made.onHost(a["on-host"]);
  return made;
}

function spawn(a: Args): Json {
  return command(a).spawn((child) => {
    if (a.kill === true) {
      child.kill();
      child.wait();
      return { killed: true };
    }
    const stdout = drained(() => child.read("stdout", a.max));
    const stderr = drained(() => child.read("stderr", a.max));
    return { code: child.wait(), stdout, stderr };
  });
}

function entry(found: hosts.Entry | undefined): Json {
  return found === undefined ? null : { name: found.name, type: found.type, target: found.target ?? null };
}

const host = (a: Args): hosts.Host => hosts.host(a.host);

function performRound(a: Args): Json {
  const round = rounds.round(a.parallel ?? 0);
  const queue: Record<string, (d: Args) => unknown> = {
    claim: (d) => round.claim(host(d), d.dir),
    disclaim: (d) => round.disclaim(host(d), d.dir),
    "make-dir": (d) => round.makeDir(host(d), d.path),
    upload: (d) => round.upload(host(d), d.digest, d.path),
    symlink: (d) => round.symlink(host(d), d.target, d.path),
    rename: (d) => round.rename(host(d), d.old, d.new),
    "write-file": (d) => round.writeFile(host(d), d.path, d.text),
    remove: (d) => round.remove(host(d), d.path),
    run: (d) => round.run(host(d), command(d)),
  };
  for (const deed of a.deeds) queue[deed.do]?.(deed);
  return round.perform().map(({ host, error }) => [host.name, error === undefined ? null : told(error)]);
}

/** Reads an image as its JSON tells it. */
function image(a: Args): registry.Image {
  const plain = (one: Args): Args =>
    Object.fromEntries(Object.entries(one).map(([name, value]) => [name.replace(/-./g, (pair) => pair.charAt(1).toUpperCase()), value]));
  return a.images === undefined ? plain(a) : { ...plain(a), images: a.images.map(plain) };
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const actions: Record<string, (a: Args) => unknown> = {
  echo: (a) => a.value,
  length: (a) => ({ bytes: text.encode(a.text).length, points: text.points(a.text) }),
  repeat: (a) => a.text.repeat(a.times),
  throw: (a) => {
    throw named(a.kind, a.message);
  },
  raise: (a) => {
    throw new Error(a.message);
  },
  context: () => ({
    package: context.packageName(),
    version: context.version(),
    release: context.release(),
    step: context.step(),
    attempt: context.attempt(),
    "idempotency-key": context.idempotencyKey(),
    environment: context.environment() ?? null,
    deployment: context.deployment() ?? null,
    labels: context.labels(),
    previous: context.previous() ?? null,
    "started-at": context.startedAt(),
  }),
  unfinished: () => context.unfinished(),
  setting: (a) => context.setting(a.name),
  log: (a) => log[a.level as "trace" | "debug" | "info" | "warn" | "error"](a.message),
  progress: (a) => log.progress(a.what, a.done, a.total),
  print: (a) => console.log(a.text),
  checkpoint: (a) => checkpoint(a.state),
  write: (a) => void files.write(a.path, a.text),
  read: (a) => files.readText(a.path),
  list: (a) => files.list(a.path),
  secret: (a) => ({ name: secrets.get(a.name).name }),
  reveal: (a) => secrets.get(a.name).reveal(),
  sign: (a) => hex(secrets.get(a.name).sign(a.text)),
  http: (a) => send(a, http.request(a.method, a.url)),
  command: (a) => ({ code: command(a).run() }),
  spawn,
  capture: (a) => trees.capture(a.dir),
  restore: (a) => trees.restore(a.digest, a.dir),
  hosts: () => hosts.all().map((one) => one.name),
  "host-labels": (a) => host(a).labels,
  "host-setting": (a) => host(a).setting(a.name),
  upload: (a) => host(a).upload(a.digest, a.path),
  fetch: (a) => host(a).fetch(a.path, a.without),
  "read-dir": (a) => host(a).readDir(a.path).map(entry),
  stat: (a) => entry(host(a).stat(a.path)),
  "make-dir": (a) => host(a).makeDir(a.path),
  remove: (a) => host(a).remove(a.path),
  claim: (a) => host(a).claim(a.dir),
  disclaim: (a) => host(a).disclaim(a.dir),
  symlink: (a) => host(a).symlink(a.target, a.path),
  rename: (a) => host(a).rename(a.old, a.new),
  "read-file": (a) => text.decode(host(a).readFile(a.path)),
  "write-file": (a) => host(a).writeFile(a.path, a.text),
  round: performRound,
  kubernetes: (a) => send(a, kubernetes.namespace(a.context, a.namespace).request(a.method, a.path)),
  mark: (a) => kubernetes.mark(a.found, a.object),
  "image-digest": (a) => registry.digest(image(a.image)),
  "image-find": (a) => registry.repository(a.repository).find(a.name),
  "image-push": (a) => registry.repository(a.repository).push(image(a.image)),
  "image-tag": (a) => registry.repository(a.repository).tag(a.digest, a.tag, { fixed: a.fixed ?? false }),
  "image-untag": (a) => registry.repository(a.repository).untag(a.tag),
};
