import type { Deployment, DeploymentSummary } from "../core/deployments/deployment.ts";
import type { CheckpointFacts, Commit, WaitFacts } from "../core/plan/manifest.ts";
import type { Console } from "./console.ts";
import { bytes, fields, plural, relative, span, table } from "./text.ts";

/** New versions, one a line. */
export function deploymentTable(say: Console, deployments: readonly Deployment[]): string[] {
  return table(
    ["FLOW", "VERSION", "TAGS", "STACK", "BUNDLE", "SIZE"].map(say.style.dim),
    deployments.map(({ flow, version, tags, stack, bundle, bytes: size }) => [
      say.style.bold(flow),
      String(version),
      tags.join(", "),
      stack,
      shortHash(bundle),
      bytes(size),
    ]),
  );
}

/** Versions of a flow, newest first. */
export function versionTable(say: Console, versions: readonly DeploymentSummary[]): string[] {
  const now = say.io.now();
  return table(
    ["VERSION", "TAGS", "STATUS", "CREATED", "BUNDLE"].map(say.style.dim),
    versions.map(({ version, tags, status, createdAt, bundle }) => [
      String(version),
      tags.join(", "),
      statusText(say, status),
      relative(createdAt, now),
      bundle === undefined ? "" : shortHash(bundle),
    ]),
  );
}

/** A version for people. */
export function deploymentLines(say: Console, deployment: Deployment): string[] {
  const { style } = say;
  const { checkpoints, waits } = deployment.manifest;
  return [
    ...fields(factsOf(say, deployment).map(([name, value]) => [style.dim(name), value] as const)),
    ...section(style.bold("Input"), inputLines(deployment)),
    ...section(
      style.bold("Checkpoints"),
      checkpoints.length === 0 ? [] : checkpointLines(say, checkpoints),
    ),
    ...section(style.bold("Waits"), waits.length === 0 ? [] : waitTable(say, waits)),
  ];
}

type Fact = readonly [string, string];

function factsOf(say: Console, deployment: Deployment): Fact[] {
  const { flow, version, tags, stack, createdAt, bundle, bytes: size, commit } = deployment;
  const { flows } = deployment.manifest;
  return [
    ["flow", say.style.bold(flow)],
    ["version", String(version)],
    ["tags", tags.length === 0 ? "none" : tags.join(", ")],
    ["stack", stack],
    ["created", `${createdAt.toISOString()} (${relative(createdAt, say.io.now())})`],
    ["bundle", `${shortHash(bundle)} (${bytes(size)}), by kitaru ${deployment.engine}`],
    ["entry", deployment.entry],
    ...(commit === undefined ? [] : [["commit", commitText(commit)] as const]),
    ...(flows.length > 1 ? [["with", flows.map(({ name }) => name).join(", ")] as const] : []),
    ...deployment.warnings.map((warning) => ["warning", warning] as const),
  ];
}

function commitText({ sha, dirty }: Commit): string {
  return `${sha.slice(0, 12)}${dirty ? ", with changes on top" : ""}`;
}

function inputLines({ inputSchema }: Deployment): string[] {
  return inputSchema === undefined ? [] : JSON.stringify(inputSchema, undefined, 2).split("\n");
}

function checkpointLines({ style }: Console, checkpoints: readonly CheckpointFacts[]): string[] {
  return table(
    ["NAME", "RUNTIME", "RETRIES", "TIMEOUT", ""].map(style.dim),
    checkpoints.map(({ name, runtime, retries, timeoutMs, semantics, type }) => [
      name,
      runtime,
      String(retries),
      timeoutMs === undefined ? "" : span(timeoutMs),
      [type ?? "", semantics === "at-most-once" ? semantics : ""].filter(Boolean).join(", "),
    ]),
  );
}

function waitTable({ style }: Console, waits: readonly WaitFacts[]): string[] {
  return table(
    ["NAME", "ANSWER", "EXPIRES", "QUESTION"].map(style.dim),
    waits.map(({ name, gate, schema, timeoutMs, question = "" }) => [
      name,
      gate ? "none" : typeof schema?.["type"] === "string" ? schema["type"] : "value",
      timeoutMs === undefined ? "" : span(timeoutMs),
      question,
    ]),
  );
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
}

function statusText({ style }: Console, status: DeploymentSummary["status"]): string {
  if (status === "ready") return style.green(status);
  return status === "deleted" ? style.dim(status) : style.yellow(status);
}

/** How many versions can be started. */
export function versionCount(versions: readonly DeploymentSummary[]): string {
  return plural(versions.filter(({ status }) => status === "ready").length, "version");
}

function shortHash(hash: string): string {
  return hash.slice(0, 12);
}
