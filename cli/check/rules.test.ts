import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkFiles } from "./check.ts";
import { type Rule, rules } from "./rules.ts";

/** Code in which «» stand around the start of what must be found; nothing else may be. */
interface Case {
  /** Code at the top of the module. */
  readonly top?: string;
  /** Code of the flow body. */
  readonly flow?: string;
  /** Other files, by their path. */
  readonly files?: Readonly<Record<string, string>>;
}

const prelude = `import { checkpoint, checkpointContext, configure, durableModel, flow, KitaruClient, llm, load, log, now, random, save, sleep, uuid, wait } from "kitaru";
const step = checkpoint("step", async (n) => n);
const approve = wait("approve");
const child = flow("child", async (n) => n);
`;

function programOf({ top = "", flow = "" }: Case): string {
  return `${prelude}${top}\nexport const main = flow("main", async (input, items = []) => {\n${flow}\n});\n`;
}

/** `rule|text from where it is found to the end of the line`. */
function marks(path: string, text: string, rule: string): string[] {
  return text.split("\n").flatMap((line, index) =>
    [...line.matchAll(/«/g)].map(({ index: at }) => {
      const column = line.slice(0, at).replaceAll(/[«»]/g, "").length + 1;
      return `${rule} ${path}:${index + 1}:${column}`;
    }),
  );
}

function expectFound(rule: Rule, one: Case): void {
  const texts = new Map([
    ["/main.ts", programOf(one)],
    ...Object.entries(one.files ?? {}).map(([path, text]) => [`/${path}`, text] as const),
  ]);
  const { findings } = checkFiles({
    paths: ["/main.ts"],
    read: (path) => texts.get(path)?.replaceAll(/[«»]/g, ""),
  });
  const found = findings.map((it) => `${it.rule} ${it.path}:${it.line}:${it.column}`);
  const expected = [...texts].flatMap(([path, text]) => marks(path, text, rule));
  expect(found.toSorted()).toEqual(expected.toSorted());
}

const body = (flow: string): Case => ({ flow });
const clocked = "«Date.now()»;";

const table: Partial<Readonly<Record<Rule, readonly Case[]>>> = {
  clock: [
    body("const at = «Date.now()»;"),
    body("const at = «new Date()».toISOString();"),
    body("const at = «new Date»; const text = «Date()»;"),
    body(
      "const at = «performance.now()» + «globalThis.performance.now()» + «process.hrtime.bigint()»;",
    ),
    body('const at = «Date["now"]()»; const same = «globalThis["Date"].now()»;'),
    body("const at = (0, «Date.now»)();"),
    body("const clock = «Date.now»; clock();"),
    body("const at = input.at ?? «Date.now()»;"),
    body("const { «now: clock» } = Date; clock();"),
    body("const D = Date; const at = «D.now()»; const other = «new D()»;"),
    body("items.map(«Date.now»);"),
    body("await Promise.all(items.map(async () => step(«Date.now()»)));"),
    body("await step(`${«Date.now()»}`); await approve({ metadata: { at: «Date.now()» } });"),
    body(
      "const inner = async () => { const deep = () => «Date.now()»; return deep(); }; await inner();",
    ),
    body(
      "try { await step(1); } catch { return «Date.now()»; } finally { log({ at: «Date.now()» }); }",
    ),
    body("return input.flag ? «Date.now()» : 0;"),
    body("for (let i = «Date.now()»; i > 0; i--) await step(i);"),
    body("return «Temporal.Now.instant()»;"),
    { top: "const started = Date.now();", flow: "return «started»;" },
    { top: "const started = new Date();", flow: "return «started.getTime()»;" },
    { top: "const clock = Date.now;", flow: "return «clock()»;" },
    { top: "const clock = () => «Date.now()»;", flow: "return clock();" },
    {
      top: "const clock = { now: () => «Date.now()», other: () => Date.now() };",
      flow: "return clock.now();",
    },
    {
      top: "const clock = { now: () => «Date.now()», more: { at: () => «new Date()» } };",
      flow: "return step(clock);",
    },
    {
      top: "class Clock { #at() { return «Date.now()»; } at() { return this.#at(); } unused() { return Date.now(); } }",
      flow: "return new Clock().at();",
    },
    {
      top: "class Base { at() { return «Date.now()»; } } class Clock extends Base { at() { return super.at(); } }\nconst clock = new Clock();",
      flow: "return clock.at();",
    },
    {
      top: "class Stamped { at = «Date.now()»; constructor() { this.more = «Date.now()»; } }",
      flow: "return new Stamped().at;",
    },
    { top: "class Clock { static now() { return «Date.now()»; } }", flow: "return Clock.now();" },
    {
      top: "class Clock { get time() { return «Date.now()»; } }\nconst clock = new Clock();",
      flow: "return clock.time;",
    },
    { top: "const stamp = (at = «Date.now()») => at;", flow: "return stamp();" },
    {
      top: "const makeClock = () => ({ now: () => «Date.now()» });\nconst clock = makeClock();",
      flow: "return clock.now();",
    },
    {
      top: "function one() { return two(); }\nfunction two() { return one() + «Date.now()»; }",
      flow: "return one();",
    },
    { top: 'import { performance as p } from "node:perf_hooks";', flow: "return «p.now()»;" },
    {
      top: 'import dayjs from "dayjs";',
      flow: "return «dayjs()».format() + dayjs(input.at).format();",
    },
    {
      top: 'import { stamp } from "./helper.ts";',
      flow: "return stamp();",
      files: { "helper.ts": `export const stamp = () => ${clocked}` },
    },
    {
      top: 'import * as helper from "./helper.js";',
      flow: "return helper.stamp();",
      files: { "helper.ts": `export function stamp() { return ${clocked} }` },
    },
    {
      top: 'import stamp from "./helper";',
      flow: "return stamp();",
      files: { "helper.ts": `export default () => ${clocked}` },
    },
    {
      top: 'import { stamp } from "./lib";',
      flow: "return stamp();",
      files: {
        "lib/index.ts": 'export * from "./deep.ts";',
        "lib/deep.ts": `const own = () => ${clocked}\nexport { own as stamp };`,
      },
    },
    {
      top: 'import { lib } from "./lib";',
      flow: "return lib.stamp();",
      files: {
        "lib/index.ts": 'export * as lib from "./deep.ts";',
        "lib/deep.ts": `export function stamp() { ${clocked} }`,
      },
    },
    {
      flow: 'const { stamp } = await import("./helper.ts"); return stamp();',
      files: { "helper.ts": `export const stamp = () => ${clocked}` },
    },
    {
      top: 'import { clock } from "./helper.ts";',
      flow: "return «clock()»;",
      files: { "helper.ts": "export const clock = Date.now;" },
    },
    {
      top: 'import { started } from "./helper.ts";',
      flow: "return «started»;",
      files: { "helper.ts": "export const started = Date.now();" },
    },
    {
      top: "const at = ({ clock = «Date.now», other = () => Date.now() } = {}, [x = 1] = []) => clock();",
      flow: "return at({ other: now });",
    },
    body("return items.map(({ at = «Date.now()» }) => at);"),
    {
      top: "class Stamped { constructor(at = «Date.now()») { this.at = at; } }",
      flow: "return new Stamped();",
    },
    {
      top: "flow('second', async ({ at = «Date.now()» }) => at); flow('third', async (at = «Date.now()») => at);",
    },
    { top: "const clock = performance.now.bind(performance);", flow: "return «clock()»;" },
    body("const clock = «Date.now».bind(Date); return clock();"),
    // and none of these
    {
      top: "const at = ({ clock = Date.now } = {}) => clock();\nconst same = (clock = Date.now) => clock();\nclass Stamped { constructor(at = Date.now()) { this.at = at; } }",
      flow: "return at({ clock: now }) + same(now) + items.map((item, at = Date.now()) => at) + new Stamped(1).at + ((clock = Date.now) => clock())(now);",
    },
    body(
      "return now() + new Date(now()).getTime() + new Date(input.at).getTime() + Date.UTC(2026, 1) + Date.parse(input.at);",
    ),
    body("const Date = { now: () => 1 }; return Date.now();"),
    body("const at = (Date) => new Date(); return at(input.Maker);"),
    body(
      "{ const performance = input.clock; performance.now(); } return input.date instanceof Date ? 1 : typeof Date;",
    ),
    body(
      "const when: Date = input.when; type T = typeof Date.now; return when as unknown as ReturnType<typeof Date.now>;",
    ),
    body(
      "const fresh = checkpointLike(() => 1); function checkpointLike(f) { return f; } return input.Date.now();",
    ),
    { top: "const stamp = (at = Date.now()) => at;", flow: "return stamp(now());" },
    {
      top: "const work = checkpoint('work', async () => Date.now());\nconst unused = () => Date.now();",
      flow: "return work();",
    },
    {
      top: "const helper = () => Date.now();\nconst work = checkpoint('work', { retries: 1 }, helper);",
      flow: "return work();",
    },
    {
      top: "import type { Date } from './types.ts';\nfunction Performance() {}",
      flow: "return new Date(1);",
    },
    {
      top: "const started = Date.now();\nconsole.log(started);",
      flow: "const started = 1; return started;",
    },
    {
      top: "enum Kind { Date = 1 }\nnamespace Space { export const Date = 1 }",
      flow: "return Kind.Date + Space.Date;",
    },
  ],
  random: [
    body("return «Math.random()»;"),
    body("return «crypto.randomUUID()» + «crypto.getRandomValues(new Uint8Array(4))»[0];"),
    body("return items.toSorted(() => «Math.random()» - 0.5);"),
    {
      top: 'import { randomUUID, createHash, randomBytes as bytes } from "node:crypto";',
      flow: 'return «randomUUID()» + «bytes(4)» + createHash("sha256").update("x").digest("hex");',
    },
    {
      top: 'import * as crypto from "crypto";',
      flow: "return «crypto.randomUUID()» + «crypto.webcrypto.getRandomValues(x)»;",
    },
    { top: 'import { v4 as uuidv4, v5 } from "uuid";', flow: 'return «uuidv4()» + v5("a", "b");' },
    { top: 'import { nanoid } from "nanoid";', flow: "return «nanoid()»;" },
    { top: "const { random: chance } = Math;", flow: "return «chance()»;" },
    { top: "const bootId = crypto.randomUUID();", flow: "return «bootId»;" },
    { top: 'const crypto = require("node:crypto");', flow: "return «crypto.randomUUID()»;" },
    { top: 'import crypto = require("node:crypto");', flow: "return «crypto.randomUUID()»;" },
    body("return random() + uuid() + Math.max(1, 2) + Math.floor(random());"),
    body('return (await crypto.subtle.digest("SHA-256", input)).byteLength;'),
    { top: "const Math = { random: () => 4 };", flow: "return Math.random();" },
    {
      top: 'import { random } from "./dice.ts";',
      flow: "return random();",
      files: { "dice.ts": "export const random = () => 4;" },
    },
  ],
  network: [
    body('const page = await «fetch("https://example.com")»;'),
    body("const get = «fetch»; await get(input.url);"),
    body("await Promise.all(input.urls.map((url) => «fetch(url)».then((it) => it.text())));"),
    body("await withRetry(() => «fetch(input.url)»); function withRetry(f) { return f(); }"),
    body("const socket = «new WebSocket(input.url)»; socket.send(1);"),
    {
      top: 'import axios from "axios";',
      flow: "await «axios.get(input.url)»; await «axios(input)»;",
    },
    {
      top: 'import axios from "axios";\nconst api = axios.create({ baseURL: "x" });',
      flow: "await «api.get(input.url)»;",
    },
    {
      top: 'import { Pool } from "pg";\nexport const pool = new Pool();',
      flow: 'await «pool.query("select 1")»;',
    },
    {
      top: 'import { pool } from "./db.ts";',
      flow: "await «pool.query(1)»;",
      files: { "db.ts": 'import { Pool } from "pg";\nexport const pool = new Pool();' },
    },
    {
      top: 'import * as db from "./db.ts";',
      flow: "await «db.pool.query(1)»;",
      files: { "db.ts": 'import { Pool } from "pg";\nexport const pool = new Pool();' },
    },
    {
      top: 'import postgres from "postgres";\nconst sql = postgres();',
      flow: "await «sql`select 1`»;",
    },
    {
      top: 'import OpenAI from "openai";\nconst openai = new OpenAI();',
      flow: "await «openai.chat.completions.create({})»;",
    },
    {
      top: 'import { S3Client, PutObjectCommand } from "@aws-sdk/client-s3";\nconst s3 = new S3Client();',
      flow: "await «s3.send(«new PutObjectCommand({})»)»;",
    },
    { top: 'import https from "node:https";', flow: "«https.get(input.url)»;" },
    {
      top: 'import { generateText } from "ai";\nimport { openai } from "@ai-sdk/openai";',
      flow: 'await «generateText({ model: openai("gpt-5"), prompt: "x" })»; await «generateText({ model: "openai/gpt-5" })»;',
    },
    {
      top: 'import { generateText, tool } from "ai";\nconst search = tool({ execute: async (q) => «fetch(q)» });',
      flow: "await generateText({ model: durableModel(input.m), tools: { search } });",
    },
    {
      top: 'class Api { url = "x"; constructor() { this.client = 1; } async get() { return «fetch(this.url)»; } }\nconst api = new Api();',
      flow: "await api.get();",
    },
    body("const fetch = step; return fetch(1);"),
    body(
      "const search = async (q) => fetch(q); return llm('x', { tools: { search: { execute: search } } });",
    ),
    body("return llm('x', { tools: { search: { execute: async (q) => fetch(q) } } });"),
    body(
      "const tools = { search: { execute: async (q) => fetch(q) } }; return llm('x', { tools });",
    ),
    {
      top: 'import { generateText, streamText, tool } from "ai";\nimport { openai } from "@ai-sdk/openai";\nconst model = durableModel(openai("gpt-5"));\nconst search = tool({ execute: async (q) => step(q) });',
      flow: "const { textStream } = streamText({ model }); for await (const it of textStream) log({ it }); return generateText({ model, tools: { search } });",
    },
    {
      top: "const unused = () => fetch('x');\nconst get = checkpoint('get', { timeout: '1m' }, (url) => fetch(url));\nconst all = checkpoint('all', async (urls) => Promise.all(urls.map(unused)));",
      flow: "await get(1); return all(items);",
    },
    {
      top: "const steps = { get: checkpoint('get', (url) => fetch(url)) };\nconst { get } = steps;",
      flow: "await get(1); return steps.get(2);",
    },
    {
      top: 'import axios, { isAxiosError } from "axios";\nimport { isIP } from "node:net";',
      flow: "try { return isIP(input) } catch (error) { return isAxiosError(error) || error instanceof axios.AxiosError; }",
    },
    {
      top: "export const get = checkpoint('get', traced(async (url) => fetch(url)));\nfunction traced(f) { return f; }",
      flow: "return get(1);",
    },
  ],
  timer: [
    body("await new Promise((done) => «setTimeout(done, 10)»);"),
    body("const timer = «setInterval(() => 1, 10)»; clearInterval(timer);"),
    body("const signal = «AbortSignal.timeout(10)»;"),
    {
      top: 'import { setTimeout as delay } from "node:timers/promises";',
      flow: "await «delay(10)»;",
    },
    { top: 'import timers from "node:timers/promises";', flow: "await «timers.setTimeout(10)»;" },
    {
      top: 'import { promisify } from "node:util";\nconst delay = promisify(setTimeout);',
      flow: "await «delay(10)»;",
    },
    {
      top: "const delay = (ms) => new Promise((done) => «setTimeout(done, ms)»);",
      flow: "await delay(10);",
    },
    body(
      "await sleep(10); await sleep('2 days'); clearTimeout(undefined); queueMicrotask(() => 1);",
    ),
    { top: "const setTimeout = sleep;", flow: "await setTimeout(10);" },
    { top: "const timer = setTimeout(() => undefined, 10);", flow: "clearTimeout(timer);" },
  ],
  env: [
    body("return «process.env.HOME» + «process.env['X']»;"),
    body("const { «env» } = process; return env.X;"),
    body("const { «X», «Y»: y = 1 } = process.env; return X + y;"),
    body("return «process.cwd()» + «process.platform»;"),
    body("return «import.meta.env.MODE»;"),
    { top: 'import { env } from "node:process";', flow: "return «env.X»;" },
    {
      top: 'import { hostname } from "node:os";\nimport os from "os";',
      flow: "return «hostname()» + «os.cpus()».length;",
    },
    { top: "const env = process.env;", flow: "return «env.X»;" },
    { top: "const mode = () => «process.env.MODE»;", flow: "return mode();" },
    // configuration that is read once, when the module is loaded, is not part of the flow
    {
      top: 'const model = process.env["MODEL"] ?? "fast";\nconst { REGION } = process.env;\nconst isWindows = process.platform === "win32";\nconst platform = process.platform;',
      flow: "return llm(model + REGION + isWindows + platform, { model });",
    },
    {
      top: 'import { model, settings } from "./config.ts";',
      flow: "return llm(model + settings.region);",
      files: {
        "config.ts":
          "export const model = process.env.MODEL ?? 'x';\nexport const settings = { region: process.env.REGION };",
      },
    },
    body("const process = { env: { A: 1 } }; return process.env.A;"),
    body("return import.meta.url + input.process.env;"),
  ],
  file: [
    { top: 'import { readFile } from "node:fs/promises";', flow: 'await «readFile("x")»;' },
    {
      top: 'import fs, { promises, constants } from "fs";',
      flow: 'return «fs.readFileSync("x")» + await «promises.readFile("x")» + constants.R_OK + fs.constants.W_OK;',
    },
    {
      top: 'import * as fs from "node:fs";',
      flow: 'await «fs.promises.readFile("x")»; const { «existsSync» } = fs; existsSync("x");',
    },
    body('const { «readFile» } = await import("node:fs/promises"); await readFile("x");'),
    body(
      'const fs = await import("node:fs"); «fs.readFileSync("x")»; const { default: same } = await import("node:fs"); «same.statSync("x")»;',
    ),
    body('await «Bun.file("x")».text(); await «Deno.readTextFile("x")»;'),
    { top: 'import { file } from "bun";', flow: 'await «file("x")».text();' },
    {
      top: 'import { DatabaseSync } from "node:sqlite";\nconst db = new DatabaseSync(":memory:");',
      flow: '«db.exec("select 1")»;',
    },
    {
      top: 'import { readFileSync } from "node:fs";\nconst template = readFileSync(new URL("x.md", import.meta.url), "utf8");',
      flow: "return llm(template.replace('a', 'b'));",
    },
    {
      top: 'import { template } from "./templates.ts";\nimport * as all from "./templates.ts";',
      flow: "const { template: same } = all; return template.trim() + all.template.trim() + same;",
      files: {
        "templates.ts":
          'import { readFileSync } from "node:fs";\nexport const template = readFileSync("x", "utf8");',
      },
    },
    {
      top: 'import { join, basename } from "node:path";\nimport type { Stats } from "node:fs";',
      flow: "const x: Stats = input; return join('a', basename('b')) + x;",
    },
  ],
  process: [
    {
      top: 'import { execFile, spawn as start } from "node:child_process";\nimport { promisify } from "util";\nconst run = promisify(execFile);',
      flow: "await «run('ls')»; «start('ls')»; await promisify(«execFile»)('ls'); await promisify(«execFile»)('ls');",
    },
    { top: 'import { Worker } from "node:worker_threads";', flow: "«new Worker('x.js')»;" },
    { top: 'import { execa } from "execa";', flow: "await «execa`ls`»;" },
    body("«process.exit(1)»;"),
    body("await «Bun.$`ls`»;"),
    { top: "const spawn = step;", flow: "return spawn(1);" },
  ],
  "checkpoint-only": [
    body('«save("x", 1)»;'),
    body('await «load(input.id, "x")»; return «checkpointContext()».attempt;'),
    { top: "const keep = () => «save('x', 1)»;", flow: "keep();" },
    {
      top: "const work = checkpoint('work', () => { save('x', 1); return checkpointContext().attempt; });",
      flow: "log({ a: 1 }); return work();",
    },
  ],
  "client-call": [
    body("const handle = «child.run(1)»; await handle.result();"),
    body("await «approve.answer(input.id)»; await «approve.abort(input.id)»;"),
    body("const client = «new KitaruClient()»; await client.executions.list();"),
    { top: "const client = new KitaruClient();", flow: "await «client.executions.get(input.id)»;" },
    {
      top: "export const nudge = checkpoint('nudge', async (id) => { await approve.answer(id); return child.run(1).id; });",
      flow: "await nudge(input.id); return child.call(2);",
    },
    {
      top: "export const start = () => child.run(1);\nawait approve.answer('id');",
      flow: "return child.name + step.name;",
    },
  ],
};

const more: Partial<Readonly<Record<Rule, readonly Case[]>>> = {
  unawaited: [
    body("«step(1)»;"),
    body("«approve()»; «sleep(1)»; «llm('x')»; «child.call(1)»; «step.map(items)»;"),
    body("const kept = «step(1)»;"),
    body("let kept; kept = «step(1)»;"),
    body("void «step(1)»;"),
    body(
      "const ok = «approve()»; if (!ok) return 1; const also = «approve()» ?? false; return also ? 1 : 2;",
    ),
    body(
      "const text = «llm('x')»; return text.length + `${text}`; const other = «step(1)»; void other; other;",
    ),
    body("«step(1).then((n) => n)»;"),
    body("«step(1).catch(() => undefined)»;"),
    body("«Promise.all(items.map((item) => step(item)))»;"),
    body("const kept = «Promise.all([step(1), step(2)])»;"),
    body("«items.map((item) => step(item))»;"),
    body("const kept = «items.map(step)»;"),
    body("«items.forEach(async (item) => { await step(item); })»;"),
    body("«items.forEach(step)»; await «items.forEach((item) => step(item))»;"),
    body("return «items.filter(async (item) => await approve())»;"),
    body("if («items.some((item) => step(item))») return 1;"),
    body("await Promise.all(items.map(async (item) => { «step(item)»; }));"),
    body("await Promise.all(items.map((item) => { «step(item)»; }));"),
    body("input.ready && «step(1)»; input.ready ? «step(1)» : «step(2)»;"),
    body("if («approve()») return 1; while («approve()») await step(1);"),
    body("if (!«approve()») return 1; return «step(1)» + 1;"),
    body("const approved = «approve()» ? 1 : 2; return `${«step(1)»}` + approved;"),
    body("const { text } = «llm('x')»; return text;"),
    body("return «llm('x')».length;"),
    body("return «step(1)» === 2 || («approve()» && 1);"),
    body("const helper = async () => { await step(1); }; «helper()»; const kept = «helper()»;"),
    body("const later = () => step(1); «later()»; await later();"),
    body("«(async () => { await step(1); })()»;"),
    body("(«step(1)», await step(2));"),
    body("(«step(1)» as unknown); «step(1)»!;"),
    {
      top: "async function helper(n) { return inner(n); }\nasync function inner(n) { const x = await step(n); return x; }",
      flow: "«helper(1)»; await helper(2);",
    },
    {
      top: "class Steps { async run() { await step(1); } }\nconst steps = new Steps();",
      flow: "«steps.run()»; return steps.run();",
    },
    {
      top: "const steps = { one: step, two: checkpoint('two', (n) => n) };",
      flow: "«steps.two(1)»; «steps.one(2)»;",
    },
    {
      top: 'import { work } from "./work.ts";',
      flow: "«work(1)»; await work(2);",
      files: {
        "work.ts":
          'import { checkpoint } from "kitaru";\nexport const work = checkpoint("work", (n) => n);',
      },
    },
    {
      top: "const make = (fn) => checkpoint('made', fn);\nconst made = make((n) => n);",
      flow: "«made(1)»; await made(2);",
    },
    // and none of these
    body("const p = step(1); const q = step(2); await sleep(1); return (await p) + (await q);"),
    body("const p = step(1); p.catch(() => undefined); if (input.x) return 0; return p;"),
    body("const ps = items.map((item) => step(item)); return Promise.all(ps);"),
    body(
      "const ps = []; for (const item of items) ps.push(step(item)); await Promise.allSettled(ps);",
    ),
    body("const [a, b] = await Promise.all([step(1), step(2)]); return a + b;"),
    body("const [a, b] = [step(1), step(2)]; return (await a) + (await b);"),
    body("const pair = { a: step(1), b: step(2) }; return [await pair.a, await pair.b];"),
    body("return await Promise.race([approve().then(() => 1), sleep('1 day').then(() => 2)]);"),
    body("return input.fast ? step(1) : step(2);"),
    body("return input.value ?? step(1);"),
    body(
      "const cached = new Map(); const of = (k) => { if (!cached.has(k)) cached.set(k, step(k)); return cached.get(k); }; return of(1);",
    ),
    body(
      "for (const p of [step(1), step(2)]) await p; for await (const n of [step(3)]) log({ n });",
    ),
    body(
      "async function* rounds() { for (let i = 0; i < 3; i++) yield step(i); } for await (const n of rounds()) log({ n });",
    ),
    body(
      "const total = await items.reduce(async (sum, item) => (await sum) + (await step(item)), Promise.resolve(0)); return total;",
    ),
    body(
      "const results = await step.map(items, { concurrency: 2 }); return results.filter((n) => n > 1).map((n) => n + 1);",
    ),
    body("const loser = await Promise.any([step(1), approve()]); return typeof loser;"),
    body(
      "const answer = await (approve() as Promise<boolean>); const other = (await step(1))!; return answer ? other : 0;",
    ),
    body("await new Promise((resolve, reject) => step(1).then(resolve, reject));"),
    body("const go = async (n) => (n === 0 ? 0 : go(n - 1).then((x) => step(x))); return go(3);"),
    body("const run = (f) => f(); return run(async () => step(1));"),
    body(
      "const p = input.x ? step(1) : undefined; if (p) return await p; const q = step(2); if (q) log({}); await q; const r = input.x ? r : step(3); const [s] = [r];",
    ),
    body("let p = step(1); if (input.x) p = step(2); return await p;"),
    body("const o = {}; o.p = step(1); return o.p;"),
    body(
      "items.forEach((item) => log({ item })); return items.find((item) => item.ok) ?? items.some(Boolean);",
    ),
    body("const waits = { approve }; return (await waits.approve?.()) ?? null;"),
    body("const handle = step; return handle.name + step.fn(1);"),
  ],
  "for-await": [
    {
      top: 'import { on } from "node:events";',
      flow: "for await (const it of input.stream) log({ it });",
    },
    body(
      "for await (const n of items) log({ n }); for await (const n of await step(1)) log({ n });",
    ),
    body("for await (const n of input.values.map((it) => step(it))) log({ n });"),
    body("for await (const n of Object.values(input)) log({ n });"),
    {
      top: "async function* pages() { for (let i = 0; ; i++) { const page = await step(i); if (!page) return; yield page; } }",
      flow: "for await (const page of pages()) log({ page });",
    },
    {
      top: 'import { streamText } from "ai";\nimport { openai } from "@ai-sdk/openai";',
      flow: 'const result = streamText({ model: durableModel(openai("x")) }); for await (const it of result.textStream) log({ it });',
    },
  ],
  "shared-state": [
    {
      top: "let count = 0;",
      flow: "«count» += 1; «count»++; [«count»] = [1]; ({ count: «count» } = input);",
    },
    {
      top: "const cache = {};",
      flow: "«cache.x» = 1; «cache[input.k]» = 2; delete «cache.x»; «cache.n»++;",
    },
    {
      top: "const seen = new Set(); const byId = new Map(); const list = [];",
      flow: "«seen».add(1); «byId».set(1, 2); «list».push(3); «list».sort(); «list.length» = 0;",
    },
    { top: "const state = {};", flow: "Object.assign(«state», { x: 1 });" },
    body("«globalThis.x» = 1;"),
    { top: "let last;", flow: "for («last» of items) await step(last);" },
    { top: "let count = 0;\nconst bump = () => { «count»++; };", flow: "items.map(() => bump());" },
    {
      top: 'import { state, list } from "./state.ts";',
      flow: "«state.x» = 1; «list».push(1);",
      files: { "state.ts": "export const state = {};\nexport const list: number[] = [];" },
    },
    {
      top: "function makeFlow() { let runs = 0; return flow('made', async () => { «runs»++; }); }\nmakeFlow();",
      flow: "",
    },
    {
      top: "let cached;\nconst get = async () => («cached» ??= await step(1));",
      flow: "return get();",
    },
    // and none of these
    {
      top: "const seen = new Set([1]); const list = [3, 1]; let limit = 3;",
      flow: "let count = 0; count++; const own = [...list]; own.sort(); own.push(limit); const mine = new Map(); items.forEach((it) => { count += it; mine.set(it, seen.has(it)); }); return list.toSorted().length + count;",
    },
    {
      top: "function sum(list) { let total = 0; for (const n of list) total += n; list.length = 0; return total; }\nclass Tally { n = 0; add() { this.n++; return this; } }",
      flow: "input.x = 1; const tally = new Tally(); tally.add(); tally.extra = 1; return sum(items);",
    },
    {
      top: "let runs = 0;\nconst work = checkpoint('work', () => { runs++; return runs; });",
      flow: "return work();",
    },
    body(
      "const stack = []; const visit = (n) => { stack.push(n); if (n) visit(n - 1); }; visit(3); return stack;",
    ),
    body(
      "const copy = Object.assign({}, input); copy.x = 1; const { a, ...rest } = copy; rest.b = a; return rest;",
    ),
  ],
  "nested-call": [
    {
      top: "const outer = checkpoint('outer', async (n) => { await «step(n)»; await «approve()»; await «sleep(1)»; return «child.call(n)»; });",
      flow: "return outer(1);",
    },
    {
      top: "const outer = checkpoint('outer', { retries: 2 }, async (ns) => Promise.all(ns.map((n) => «step(n)»)));\nconst other = checkpoint('other', (ns) => Promise.all(ns.map(«step»)));\nconst third = checkpoint('third', (ns) => «step.map(ns)»);",
    },
    {
      top: "const helper = async (n) => «step(n)»;\nconst outer = checkpoint('outer', helper);\nconst other = checkpoint('other', async (n) => { const inner = () => helper(n); return inner(); });",
    },
    {
      top: 'import { ask } from "./ask.ts";\nconst outer = checkpoint("outer", async () => ask());',
      files: {
        "ask.ts":
          'import { wait } from "kitaru";\nconst go = wait("go");\nexport const ask = () => «go()»;',
      },
    },
    {
      top: "const outer = checkpoint('outer', async (n) => { const text = await llm('x'); save('x', text); log({ n }); now(); random(); uuid(); return step.fn(n) + step.name + (await load('id', 'x')) + setTimeout(() => 1, 1) + Date.now(); });\nconst other = checkpoint('other', (id) => { step.as(1); approve.answer(id); return child.run(1).id; });",
    },
    {
      top: "const outer = checkpoint('outer', function step(n) { return n ? step(n - 1) : 0; });\nconst other = checkpoint('other', (step, approve) => step(approve()));",
    },
  ],
  "local-definition": [
    body("const inner = «checkpoint»('inner', () => Date.now()); return inner();"),
    body("return «flow»('inner', async () => 1).call();"),
    { top: "const ask = () => «wait»('inner')();", flow: "return ask();" },
    {
      top: "const outer = checkpoint('outer', () => { «wait»('inner'); return 1; });",
      flow: "return outer();",
    },
    {
      top: "const make = () => checkpoint('made', () => Date.now());\nconst made = make();",
      flow: "return made();",
    },
  ],
  "duplicate-name": [
    { top: "const again = checkpoint(«'step'», (n) => n); const third = wait(«'step'»);" },
    { top: "const NAME = 'st' + 'ep';\nconst again = checkpoint(«NAME», (n) => n);" },
    {
      top: 'import { other } from "./other.ts";',
      flow: "return other();",
      files: {
        "other.ts":
          'import { checkpoint } from "kitaru";\nexport const other = checkpoint(«"step"», (n) => n);',
      },
    },
    {
      top: "const a = process.env.X ? checkpoint('one', (n) => n) : checkpoint('one', (n) => n + 1);",
    },
    {
      top: "let a;\nif (process.env.X) a = wait('one'); else { a = wait('one', { question: 'x' }); }",
    },
    {
      top: "test('a', () => { flow('same', async () => 1); });\ntest('b', () => { flow('same', async () => 1); });",
    },
    {
      top: "const flows = { step: 1, checkpoint(name) { return name; } }; flows.checkpoint('step');",
    },
  ],
  "invalid-name": [
    {
      top: "wait(«''»); wait(«'1st'»); checkpoint(«'a b'», () => 1); flow(«`x.${'y'}`», async () => 1);",
    },
    { top: `wait(«"${"x".repeat(81)}"»); wait("${"x".repeat(80)}");` },
    body("return llm('x', { name: «'a b'» });"),
    {
      top: "wait('A-b_9'); checkpoint(`plain`, () => 1);",
      flow: "return llm('x', { name: 'outline' });",
    },
  ],
  "dynamic-name": [
    { top: "for (const n of [1, 2]) checkpoint(«`step_${n}`», () => 1);" },
    { top: "const make = (name) => flow(«name», async () => 1);" },
    {
      top: "const kind = 'x'; const names = { one: 'one' };\nwait(`${kind}_y`); wait(names.one); wait('a' + 'b');",
    },
  ],
  "unknown-body": [
    {
      top: 'import { work } from "some-package";\nflow("x", «work»); flow("y", { retries: 1 }, «work»);',
    },
    {
      top: 'import { work } from "./work.ts";\nflow("x", work); flow("z", traced(async () => 1)); function traced(f) { return f; }',
      files: { "work.ts": "export async function work() { return 1; }" },
    },
  ],
};

const all = { ...table, ...more };

for (const [rule, cases] of Object.entries(all) as [Rule, readonly Case[]][])
  describe(`${rule}: ${rules[rule]}`, () => {
    test.each(cases.map((one) => [one.top ?? one.flow ?? "", one.flow ?? "", one] as const))(
      "%s %s",
      (_top, _flow, one) => expectFound(rule, one),
    );
  });

test("every rule has cases here, or in a file of its own", () => {
  const elsewhere: Rule[] = ["syntax", "ignore", "unused-ignore"];
  expect([...Object.keys(all), ...elsewhere].toSorted()).toEqual(Object.keys(rules).toSorted());
});

test("every rule is explained in docs/check.md", () => {
  const page = readFileSync(new URL("../../docs/check.md", import.meta.url), "utf8");
  expect(Object.keys(rules).filter((rule) => !page.includes(`\`${rule}\``))).toEqual([]);
});
