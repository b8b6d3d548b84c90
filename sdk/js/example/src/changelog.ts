// Picks a version's section out of a changelog. Knows nothing of plugins.

const HEADING = /^##\s+\[?v?([^\]\s]+)\]?/;

/** Returns what a changelog says under a version's heading (`## 1.2.0`, `## [1.2.0] - 2026-11-21`); nothing where it has none. */
export function section(changelog: string, version: string): string | undefined {
  const lines = changelog.split(/\r?\n/);
  const start = lines.findIndex((line) => HEADING.exec(line)?.[1] === version.replace(/^v/, ""));
  if (start < 0) return undefined;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^##?\s/.test(line) || /^\[[^\]]+\]:\s/.test(line));
  return (end < 0 ? rest : rest.slice(0, end)).join("\n").trim();
}

/** Returns the versions that a changelog has a heading for. */
export function versions(changelog: string): string[] {
  return changelog.split(/\r?\n/).flatMap((line) => HEADING.exec(line)?.[1] ?? []);
}
