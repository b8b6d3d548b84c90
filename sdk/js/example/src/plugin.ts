// Posts a release note to a webhook, and takes it back where the webhook gave it an id.

import {
  type Change,
  checkpoint,
  context,
  definePlugin,
  Denied,
  files,
  http,
  type Infer,
  Invalid,
  type Json,
  log,
  Missing,
  need,
  Other,
  Permanent,
  type Schema,
  secrets,
  Transient,
} from "relrun-sdk";
import { section, versions } from "./changelog.ts";

const config = {
  description: "A note about this release, posted as JSON.",
  properties: {
    url: { type: "string", pattern: "^(https?://[^/?#]+|\\$\\{)", description: "Where to post." },
    text: { type: "string", minLength: 1, description: "What to say, where it stands in no changelog." },
    changelog: { type: "string", description: "A staged changelog, of which the version's section is posted: `CHANGELOG.md`." },
    version: { type: "string", description: "Which section; by default the package's version." },
    token: { type: "string", description: "The secret that proves who posts: `${secret.token}`." },
    header: { type: "string", default: "authorization", description: "The header that carries it." },
    prefix: { type: "string", default: "Bearer ", description: "What stands before it there." },
    field: { type: "object", additionalProperties: { type: "string" }, description: 'More fields of the body: `field "channel" "releases"`.' },
    withdraw: { enum: ["delete", "edit"], default: "delete", description: "How undo takes the note back." },
    idempotent: { type: "boolean", default: false, description: "The webhook knows a note again by its `idempotency-key` header." },
    private: { type: "boolean", default: false, description: "The webhook may be a loopback or private address." },
  },
  required: ["url"],
  "x-args": ["url"],
} as const satisfies Schema;

type Config = Infer<typeof config>;

const receipt = {
  properties: {
    url: { type: "string" },
    text: { type: "string" },
    id: { type: "string", description: "What the webhook calls the note; absent where it said nothing, or was not asked yet." },
  },
  required: ["url", "text"],
} as const satisfies Schema;

type Receipt = Infer<typeof receipt>;

export default definePlugin({
  name: "release-note",
  version: "0.1.0",
  summary: "Posts a release note to a webhook",
  config,
  outputs: { properties: { status: { type: "integer" }, id: { type: "string" } }, required: ["status"] },
  receipt,

  resolve(config) {
    if ((config.text === undefined) === (config.changelog === undefined)) throw new Invalid("say either `text` or `changelog`");
    const origin = originOf(config.url);
    const why = { because: "it posts the note there, and takes it back" };
    const hook = need.http(origin, { methods: ["GET", "POST", "PATCH", "DELETE"], private: config.private, ...why });
    const token = config.token === undefined ? [] : [need.secret(config.token, { to: origin, because: "it proves who posts" })];
    return need.effect({ idempotent: config.idempotent }, hook, ...token);
  },

  plan(config): Change[] {
    return [{ summary: `post a note to ${config.url}`, detail: JSON.stringify(bodyOf(config, textOf(config)), null, 2) }];
  },

  apply(config) {
    const text = textOf(config);
    const note: Receipt = { url: config.url, text };
    // From here on a crash leaves a note that may be there: only a webhook that knows it again may be asked twice.
    checkpoint(note);
    const request = http.post(config.url).header("idempotency-key", context.idempotencyKey()).json(bodyOf(config, text));
    const answer = signed(config, request).send();
    refuse(answer, `post to ${config.url}`);
    const id = idOf(answer);
    if (id === undefined) {
      log.warn("the webhook gave the note no id: it cannot be taken back");
      return { summary: "posted the note", outputs: { status: answer.status }, receipt: note };
    }
    const posted = { ...note, id };
    checkpoint(posted);
    return { summary: `posted the note ${id}`, outputs: { status: answer.status, id }, receipt: posted };
  },

  recover(config, came) {
    if (came.state === "untouched") return { recovery: "not-done" };
    if (came.state === "saved" && came.receipt.id !== undefined) {
      const { id } = came.receipt;
      return { recovery: "done", outcome: { summary: `posted the note ${id}`, outputs: { status: 200, id }, receipt: came.receipt } };
    }
    throw new Other(`whether ${config.url} has the note, nobody can tell: it was being posted`);
  },

  verify(config, receipt) {
    const answer = signed(config, http.get(noteOf(receipt))).send();
    if (answer.status === 404 || answer.status === 410) return { health: "gone" };
    refuse(answer, `get ${noteOf(receipt)}`);
    const found = answer.json();
    const text = typeof found === "object" && found !== null && !Array.isArray(found) ? found["text"] : undefined;
    if (text === receipt.text) return { health: "intact" };
    return { health: "drifted", changes: [{ summary: `the note ${receipt.id} says something else`, detail: `-${receipt.text}\n+${String(text)}\n` }] };
  },

  undo: takeBack,
  destroy: takeBack,
});

/** Deletes the note, or says in it that it was withdrawn. A note that is gone is taken back already. */
function takeBack(config: Config, receipt: Receipt): string {
  if (receipt.id === undefined) return "the webhook gave the note no id: it stays";
  const url = noteOf(receipt);
  const request = config.withdraw === "delete" ? http.del(url) : http.patch(url).json({ text: `Withdrawn: ${receipt.text}` });
  const answer = signed(config, request).send();
  if (answer.status !== 404 && answer.status !== 410) refuse(answer, `take back ${url}`);
  return `${config.withdraw === "delete" ? "deleted" : "withdrew"} the note ${receipt.id}`;
}

function originOf(url: string): string {
  return /^https?:\/\/[^/?#]+/.exec(url)?.[0] ?? url;
}

function noteOf(receipt: Receipt): string {
  if (receipt.id === undefined) throw new Permanent("the webhook gave the note no id: it cannot be found again");
  const [path = "", query] = receipt.url.split("?", 2);
  return `${path.replace(/\/$/, "")}/${encodeURIComponent(receipt.id)}${query === undefined ? "" : `?${query}`}`;
}

function textOf(config: Config): string {
  if (config.changelog === undefined) return config.text ?? "";
  const changelog = files.readText(`/in/work/${config.changelog}`);
  const version = config.version ?? context.version();
  const found = section(changelog, version);
  if (found === undefined) {
    const known = versions(changelog).slice(0, 5).join(", ");
    throw new Invalid(`${config.changelog} has no heading \`## ${version}\`; it has ${known || "none of that kind"}`);
  }
  if (found === "") throw new Invalid(`${config.changelog} says nothing under \`## ${version}\``);
  return found;
}

function bodyOf(config: Config, text: string): { [name: string]: Json } {
  const where = context.environment();
  const about = { package: context.packageName(), version: context.version(), ...(where === undefined ? {} : { environment: where }) };
  return { ...config.field, ...about, text };
}

function signed(config: Config, request: http.Request): http.Request {
  return config.token === undefined ? request : request.secretHeader(config.header, config.prefix, secrets.get(config.token));
}

function idOf(answer: http.Response): string | undefined {
  if (answer.header("content-type")?.includes("json") !== true) return undefined;
  const said = answer.json();
  const id = typeof said === "object" && said !== null && !Array.isArray(said) ? said["id"] : undefined;
  return typeof id === "string" || typeof id === "number" ? String(id) : undefined;
}

/** Throws what an answer means: another try may help where the webhook is busy or broken, and nowhere else. */
function refuse(answer: http.Response, doing: string): void {
  const { status } = answer;
  if (status < 400) return;
  const message = `failed to ${doing}: the webhook answered ${status}`;
  if (status === 408 || status === 425 || status === 429 || status >= 500) throw new Transient(message);
  if (status === 401 || status === 403) throw new Denied(message);
  if (status === 404 || status === 410) throw new Missing(message);
  throw new Permanent(`${message}: ${answer.text().slice(0, 200)}`);
}
