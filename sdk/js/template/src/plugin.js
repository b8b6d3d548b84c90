import { definePlugin, files, log } from "relrun-sdk";

/** It says nothing in `resolve`, so it is pure: served from the cache, and reaching nothing. */
export default definePlugin({
  name: "{{name}}",
  version: "0.1.0",
  summary: "Writes a greeting to /out/greeting",
  config: {
    properties: { who: { type: "string", minLength: 1, description: "Whom to greet." } },
    required: ["who"],
    "x-args": ["who"],
  },
  outputs: {
    properties: { bytes: { type: "integer", description: "How long the greeting is." } },
    required: ["bytes"],
  },

  apply(config) {
    log.info(`greeting ${config.who}`);
    const bytes = files.write("/out/greeting/index.txt", `Hello ${config.who}!\n`);
    return { summary: `greeted ${config.who}`, outputs: { bytes } };
  },
});
