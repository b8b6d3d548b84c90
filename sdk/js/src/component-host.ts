/** The host of a component: its imports. Only the `component` modules name what the bindings give. */

import * as checkpoints from "relrun:plugin/checkpoint@0.1.1";
import * as contexts from "relrun:plugin/context@0.1.1";
import * as wit from "relrun:plugin/hosts@0.1.1";
import * as https from "relrun:plugin/http@0.1.1";
import * as clusters from "relrun:plugin/kubernetes@0.1.1";
import * as logs from "relrun:plugin/log@0.1.1";
import * as processes from "relrun:plugin/process@0.1.1";
import * as registries from "relrun:plugin/registry@0.1.1";
import * as rounds from "relrun:plugin/rounds@0.1.1";
import * as secrets from "relrun:plugin/secrets@0.1.1";
import * as trees from "relrun:plugin/trees@0.1.1";
import { files } from "./component-files.ts";
import { ask, closeAll, dispose, errorFrom, Handle } from "./component-handles.ts";
import { Invalid } from "./errors.ts";
import type { ChildHandle, CommandLine, Deed, Entry, Facts, Host, HttpRequest, ResponseHandle, SecretHandle } from "./host.ts";
import { clean, wellFormed as text } from "./text.ts";

class ComponentSecret extends Handle<secrets.Secret> implements SecretHandle {
  name(): string {
    return this.here.name();
  }
  reveal(): string {
    return ask(() => this.here.reveal());
  }
  sign(data: Uint8Array): Uint8Array {
    return ask(() => this.here.sign(data));
  }
}

class ComponentResponse extends Handle<https.Response> implements ResponseHandle {
  status(): number {
    return this.here.status();
  }
  headers(): [string, string][] {
    return this.here.headers();
  }
  read(max: number): Uint8Array {
    return ask(() => this.here.read(max));
  }
  save(path: string): number {
    return Number(ask(() => this.here.save(text(path))));
  }
}

class ComponentChild extends Handle<processes.Child> implements ChildHandle {
  read(which: "stdout" | "stderr", max: number): Uint8Array {
    return ask(() => this.here.read(which, max));
  }
  wait(): number {
    return ask(() => this.here.wait());
  }
  kill(): void {
    this.here.kill();
  }
}

/** Returns the host's own handle of a secret. */
function resource(secret: SecretHandle): secrets.Secret {
  if (secret instanceof ComponentSecret) return secret.here;
  throw new Invalid("that is no secret of this host");
}

/** Runs `use` with a resource, and gives it back. */
function using<T, R>(made: T, use: (made: T) => R): R {
  try {
    return use(made);
  } finally {
    dispose(made);
  }
}

function commandOf(line: CommandLine): processes.Command {
  const made = new processes.Command(text(line.program), line.args.map(text));
  if (line.dir !== undefined) made.dir(text(line.dir));
  for (const [name, value] of line.env) made.env(text(name), text(value));
  for (const [name, secret] of line.secretEnv) made.secretEnv(text(name), resource(secret));
  if (line.stdin !== undefined) made.stdin(line.stdin);
  if (line.onHost !== undefined) made.onHost(text(line.onHost));
  return made;
}

function requestOf(request: HttpRequest): https.Request {
  if (request.cluster === undefined) return new https.Request(text(request.method), text(request.url));
  const [context, namespace] = request.cluster;
  return ask(() => clusters.start(text(context), text(namespace), text(request.method), text(request.url)));
}

function entryOf(entry: wit.Entry): Entry {
  const { name, fileType: type, target } = entry;
  return target === null || target === undefined ? { name, type } : { name, type, target };
}

function queue(round: rounds.Round, deed: Deed): void {
  const host = text(deed.host);
  switch (deed.deed) {
    case "claim":
    case "disclaim":
      return round[deed.deed](host, text(deed.dir));
    case "makeDir":
    case "remove":
      return round[deed.deed](host, text(deed.path));
    case "upload":
      return round.upload(host, text(deed.digest), text(deed.path));
    case "symlink":
      return round.symlink(host, text(deed.target), text(deed.path));
    case "rename":
      return round.rename(host, text(deed.old), text(deed.new));
    case "writeFile":
      return round.writeFile(host, text(deed.path), deed.data);
    case "run":
      return using(commandOf(deed.command), (command) => round.run(host, command));
  }
}

const facts: { [K in keyof Facts]: () => Facts[K] } = {
  packageName: () => contexts.packageName(),
  version: () => contexts.version(),
  release: () => contexts.release(),
  step: () => contexts.step(),
  attempt: () => contexts.attempt(),
  idempotencyKey: () => contexts.idempotencyKey(),
  environment: () => contexts.environment() ?? undefined,
  deployment: () => contexts.deployment() ?? undefined,
  previous: () => contexts.previous() ?? undefined,
  unfinished: () => contexts.unfinished() ?? undefined,
  startedAt: () => Number(contexts.startedAt()),
};

/** The imports of the component. */
export const componentHost: Host = {
  files,
  log: (level, message) => logs.write(level, clean(message)),
  progress: (what, done, total) => logs.progress(clean(what), Math.max(0, Math.floor(done)), total === undefined ? null : Math.max(0, Math.floor(total))),
  saveCheckpoint: (state) => ask(() => checkpoints.save(text(state))),

  fact: (name) => facts[name](),
  labels: () => contexts.labels(),
  setting: (name) => contexts.setting(text(name)) ?? undefined,

  secret: (name) => new ComponentSecret(ask(() => secrets.get(text(name)))),
  send: (request) =>
    using(requestOf(request), (made) => {
      for (const [name, value] of request.headers) made.header(text(name), text(value));
      for (const [name, prefix, secret] of request.secretHeaders) made.secretHeader(text(name), text(prefix), resource(secret));
      if (request.basicAuth !== undefined) made.basicAuth(text(request.basicAuth[0]), resource(request.basicAuth[1]));
      if (request.body !== undefined) made.body(request.body);
      if (request.bodyFile !== undefined) made.bodyFile(text(request.bodyFile));
      if (request.timeout !== undefined) made.timeout(request.timeout);
      return new ComponentResponse(ask(() => made.send()));
    }),
  run: (command) => using(commandOf(command), (made) => ask(() => made.run())),
  spawn: (command) => using(commandOf(command), (made) => new ComponentChild(ask(() => made.spawn()))),

  capture: (dir) => ask(() => trees.capture(text(dir))),
  restore: (digest, dir) => ask(() => trees.restore(text(digest), text(dir))),

  hostNames: () => wit.names(),
  hostLabels: (host) => wit.labelsOf(text(host)),
  hostSetting: (host, name) => wit.settingOf(text(host), text(name)) ?? undefined,
  upload: (host, digest, path) => ask(() => wit.upload(text(host), text(digest), text(path))),
  fetch: (host, path, without) => ask(() => wit.fetch(text(host), text(path), without.map(text))),
  readDir: (host, path) => ask(() => wit.readDir(text(host), text(path))).map(entryOf),
  stat: (host, path) => {
    const found = ask(() => wit.stat(text(host), text(path)));
    return found === null || found === undefined ? undefined : entryOf(found);
  },
  makeDir: (host, path) => ask(() => wit.makeDir(text(host), text(path))),
  symlink: (host, target, path) => ask(() => wit.symlink(text(host), text(target), text(path))),
  rename: (host, old, to) => ask(() => wit.rename(text(host), text(old), text(to))),
  readFile: (host, path) => ask(() => wit.readFile(text(host), text(path))),
  writeFile: (host, path, data) => ask(() => wit.writeFile(text(host), text(path), data)),
  remove: (host, path) => ask(() => wit.remove(text(host), text(path))),
  claim: (host, dir) => ask(() => wit.claim(text(host), text(dir))),
  disclaim: (host, dir) => ask(() => wit.disclaim(text(host), text(dir))),
  perform: (parallel, deeds) =>
    using(new rounds.Round(parallel), (round) => {
      for (const deed of deeds) queue(round, deed);
      const came = ask(() => round.perform());
      return came.map(([host, result]) => [host, result.tag === "err" ? errorFrom(result.val) : undefined]);
    }),

  mark: (found, object) => ask(() => clusters.mark(found === undefined ? null : text(found), text(object))),
  imageDigest: (image) => ask(() => registries.digest(text(image))),
  imageFind: (repository, name) => ask(() => registries.find(text(repository), text(name))) ?? undefined,
  imagePush: (repository, image) => ask(() => registries.push(text(repository), text(image))),
  imageTag: (repository, digest, tag, fixed) => ask(() => registries.tag(text(repository), text(digest), text(tag), fixed)),
  imageUntag: (repository, tag) => ask(() => registries.untag(text(repository), text(tag))),

  closeAll,
};
