import type { Rule } from "./rules.ts";
import type { External } from "./value.ts";

/** What a flow body must not use, and what to do instead. */
export interface Hazard {
  readonly rule: Rule;
  /** What it does in a flow body; follows its name. */
  readonly problem: string;
  readonly remedy: string;
  /**
   * What came of using it when a module was loaded, and is read in a flow: a value that is another one in every
   * process, a client that is used in the flow, or data that does no harm.
   */
  readonly gives: "value" | "client" | "data";
  /** What using it is: calling it, reading a property of it, or reading it. @default "call" */
  readonly use?: "call" | "property" | "read";
}

interface Group extends Hazard {
  /** Globals as they are written, and `module#name`; nothing after the # is all of the module. */
  readonly names: string;
}

const inCheckpoint = "Call it in a checkpoint.";
const environment = "Pass it in the flow's input, or read it in a checkpoint.";

const groups: readonly Group[] = [
  {
    rule: "clock",
    problem: "gives another time on every re-run",
    remedy: 'Use now() from "kitaru", or call it in a checkpoint.',
    gives: "value",
    names: `Date.now performance.now performance.timeOrigin perf_hooks#performance.now
      perf_hooks#performance.timeOrigin process.hrtime process.uptime Temporal.Now Bun.nanoseconds
      lodash#now lodash-es#now`,
  },
  {
    rule: "clock",
    problem: "gives another time on every re-run",
    remedy: 'Use new Date(now()) with now() from "kitaru", or call it in a checkpoint.',
    gives: "value",
    names: `Date.() Date.(…) Date.new() dayjs#() moment#() luxon#DateTime.now luxon#DateTime.local.()
      luxon#DateTime.utc.()`,
  },
  {
    rule: "random",
    problem: "gives another value on every re-run",
    remedy: 'Use random() from "kitaru", or call it in a checkpoint.',
    gives: "value",
    names: `Math.random crypto.getRandomValues crypto#getRandomValues crypto#webcrypto.getRandomValues
      crypto#randomBytes crypto#randomInt crypto#randomFill crypto#randomFillSync crypto#generateKey
      crypto#generateKeySync crypto#generateKeyPair crypto#generateKeyPairSync
      lodash#random lodash#sample lodash#sampleSize lodash#shuffle
      lodash-es#random lodash-es#sample lodash-es#sampleSize lodash-es#shuffle`,
  },
  {
    rule: "random",
    problem: "gives another value on every re-run",
    remedy: 'Use uuid() from "kitaru", or call it in a checkpoint.',
    gives: "value",
    names: `crypto.randomUUID crypto#randomUUID crypto#webcrypto.randomUUID Bun.randomUUIDv7
      uuid#v1 uuid#v4 uuid#v6 uuid#v7 nanoid# ulid# ulidx# @paralleldrive/cuid2# cuid# ksuid#`,
  },
  {
    rule: "network",
    problem: "sends its request again on every re-run",
    remedy: inCheckpoint,
    gives: "client",
    names: `fetch WebSocket EventSource XMLHttpRequest navigator.sendBeacon Bun.fetch Bun.serve Bun.connect
      Bun.sql Bun.redis Deno.connect Deno.serve Deno.listen
      http# https# http2# net# tls# dgram# dns# dns/promises#
      undici# axios# got# ky# node-fetch# cross-fetch# ofetch# superagent# needle# request# phin#
      ws# socket.io-client# graphql-request# @apollo/client# @octokit/rest# octokit# nodemailer# stripe# twilio#
      @slack/web-api# @aws-sdk/*# @google-cloud/*# @azure/*# pg# postgres# mysql2# mysql2/promise# mongodb#
      mongoose# redis# ioredis# @prisma/client# @supabase/supabase-js#`,
  },
  {
    rule: "network",
    problem: "asks the model again on every re-run, and pays again",
    remedy: 'Use llm() from "kitaru", or call it in a checkpoint.',
    gives: "client",
    names: `openai# @anthropic-ai/sdk# @google/genai# @mistralai/mistralai# groq-sdk# cohere-ai# ollama#
      replicate# ai#embed ai#embedMany ai#rerank ai#experimental_generateImage ai#generateImage
      ai#experimental_transcribe ai#experimental_generateSpeech`,
  },
  {
    rule: "timer",
    problem: "is not recorded: it starts anew on every re-run and holds compute meanwhile",
    remedy: 'Use sleep() from "kitaru".',
    gives: "data",
    names: `setTimeout setInterval setImmediate AbortSignal.timeout scheduler.wait scheduler.yield
      timers#setTimeout timers#setInterval timers#setImmediate timers#promises timers/promises#
      Bun.sleep Bun.sleepSync Atomics.wait Atomics.waitAsync
      delay# lodash#delay lodash#debounce lodash#throttle lodash-es#delay lodash-es#debounce lodash-es#throttle`,
  },
  {
    rule: "env",
    problem: "may be something else where the flow goes on",
    remedy: environment,
    gives: "data",
    use: "property",
    names: "process.env import.meta.env Bun.env",
  },
  {
    rule: "env",
    problem: "may be something else where the flow goes on",
    remedy: environment,
    gives: "data",
    use: "read",
    names: `process.argv process.pid process.ppid process.platform process.arch process.versions process.execPath
      Bun.argv Deno.args Deno.pid Deno.build worker_threads#threadId worker_threads#workerData
      worker_threads#isMainThread`,
  },
  {
    rule: "env",
    problem: "may be something else where the flow goes on",
    remedy: environment,
    gives: "data",
    names: "process.cwd process.memoryUsage process.cpuUsage Deno.env Deno.cwd Deno.hostname os#",
  },
  {
    rule: "file",
    problem: "runs again on every re-run, perhaps on another machine",
    remedy: inCheckpoint,
    gives: "data",
    names: `fs# fs/promises# fs-extra# graceful-fs# globby# fast-glob# glob# rimraf# chokidar#
      readline# readline/promises# process.stdin
      Bun.file Bun.write Bun.stdin Deno.readFile Deno.readFileSync Deno.readTextFile Deno.readTextFileSync
      Deno.writeFile Deno.writeFileSync Deno.writeTextFile Deno.writeTextFileSync Deno.open Deno.openSync
      Deno.stat Deno.statSync Deno.lstat Deno.readDir Deno.readDirSync Deno.mkdir Deno.mkdirSync Deno.remove
      Deno.removeSync Deno.rename Deno.copyFile Deno.makeTempDir Deno.makeTempFile Deno.openKv`,
  },
  {
    rule: "file",
    problem: "runs again on every re-run, perhaps on another machine",
    remedy: inCheckpoint,
    gives: "client",
    names: "sqlite# bun:sqlite# better-sqlite3# @libsql/client#",
  },
  {
    rule: "process",
    problem: "runs again on every re-run, perhaps on another machine",
    remedy: inCheckpoint,
    gives: "client",
    names: `child_process# cluster# worker_threads# Worker SharedWorker process.exit process.abort process.kill
      process.chdir process.send Bun.spawn Bun.spawnSync Bun.$ Deno.Command Deno.exit Deno.kill
      execa# zx# cross-spawn# tinyexec# shelljs#`,
  },
  {
    rule: "checkpoint-only",
    problem: "throws: it belongs to a checkpoint",
    remedy: "Call it inside one.",
    gives: "data",
    names: "kitaru#save kitaru#load kitaru#checkpointContext",
  },
  {
    rule: "client-call",
    problem: "acts on executions again on every re-run",
    remedy: "Use it in a checkpoint, or outside the flow.",
    gives: "client",
    names: "kitaru#KitaruClient kitaru#configure",
  },
];

/** Members of the above that depend on nothing but their arguments. */
const harmless = `fs#constants fs/promises#constants http#STATUS_CODES http#METHODS net#isIP net#isIPv4 net#isIPv6
  os#EOL os#constants axios#isAxiosError timers#clearTimeout timers#clearInterval timers#clearImmediate`;

const byName = new Map<string, Hazard | undefined>([
  ...groups.flatMap(({ names, ...hazard }) => words(names).map((name) => [name, hazard] as const)),
  ...words(harmless).map((name) => [name, undefined] as const),
]);

/** The hazard of a value, and how many names of its path tell that. */
export function hazardOf({
  from,
  path,
}: External): { readonly hazard: Hazard; readonly depth: number } | undefined {
  const modules = from.startsWith("@") ? [from, `${from.replace(/\/.*/, "")}/*`] : [from];
  for (const module of modules)
    for (let depth = path.length; depth >= 0; depth -= 1) {
      const name = path.slice(0, depth).join(".");
      const key = module === "" ? name : `${module}#${name}`;
      if (!byName.has(key)) continue;
      const hazard = byName.get(key);
      return hazard === undefined ? undefined : { hazard, depth };
    }
  return undefined;
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
