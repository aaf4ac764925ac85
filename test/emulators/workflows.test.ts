import { once } from "node:events";
import { type IncomingHttpHeaders, type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionsClient } from "@google-cloud/workflows";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Yaml, toYaml } from "../../adapters/gcp/workflow-yaml.ts";
import { freePort } from "./port.ts";
import { deployWorkflow, executionsClient, place } from "./workflows/client.ts";
import { type WorkflowsEmulator, startWorkflows } from "./workflows/service.ts";

let emulator: WorkflowsEmulator;
let client: ExecutionsClient;
let upstream: Server;
let url = "";
/** What the HTTP server of the tests has been asked, and what it answers by path. */
const asked: {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}[] = [];
const answers = new Map<string, () => number | undefined>();

beforeAll(async () => {
  emulator = await startWorkflows({
    speed: 1000,
    identity: { idToken: async (audience) => `for ${audience}`, accessToken: async () => "access" },
  });
  client = executionsClient(emulator);
  upstream = createServer((incoming, outgoing) => {
    void incoming.toArray().then((chunks) => {
      const { url: path = "", headers } = incoming;
      asked.push({ path, headers, body: Buffer.concat(chunks).toString() });
      const status = (answers.get(path) ?? (() => 200))();
      if (status === undefined) return outgoing.destroy();
      outgoing.writeHead(status, { "content-type": "application/json" });
      return outgoing.end(JSON.stringify({ path }));
    });
  }).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await client.close();
  await emulator.close();
  upstream.close();
});

let count = 0;

/** Deploy steps as `main`, with other routines, and start them; resolves to the execution's resource name. */
async function start(
  steps: readonly Yaml[],
  { argument = {}, routines = {} }: { argument?: object; routines?: Record<string, Yaml> } = {},
): Promise<string> {
  const id = `w${count++}`;
  const source = toYaml({ main: { params: ["args"], steps }, ...routines });
  expect(await deployWorkflow(emulator, id, source)).toMatchObject({ status: 200 });
  const [{ name }] = await client.createExecution({
    parent: `${place}/workflows/${id}`,
    execution: { argument: JSON.stringify(argument) },
  });
  return name ?? "";
}

/** Run steps to their end: what they return, or the error's payload. */
async function run(...params: Parameters<typeof start>): Promise<unknown> {
  return resultOf(await start(...params));
}

async function resultOf(name: string): Promise<unknown> {
  await emulator.executions.find((one) => one.name === name)?.ended;
  const [{ state, result, error }] = await client.getExecution({ name });
  return error?.payload === undefined || error.payload === null
    ? JSON.parse(result ?? "null")
    : { state, error: JSON.parse(error.payload) };
}

const returns = (expression: Yaml): Yaml[] => [{ end: { return: expression } }];
const failed = (tag: string): object => ({
  state: "FAILED",
  error: expect.objectContaining({ tags: [tag] }),
});

describe("expressions", () => {
  test.each<[string, unknown]>([
    ["1 + 2 * 3 - 4 // 3", 6],
    ["-7 % 3", 2],
    ["7 / 2", 3.5],
    ['"a" + "b" == "ab" and not("x" in ["y"])', true],
    ["1 < 2 or args.none", true],
    ["not true or true", true],
    ["not (1 == 1 and 2 != 3)", false],
    ['args.list[1] + args["n"]', 9],
    ['"n" in args', true],
    ["[1, args.n][1]", 7],
    ['map.get(args, "none")', null],
    ['default(map.get(args, "none"), 5)', 5],
    ['string(12) + "x"', "12x"],
    ['len("abc") + len(args.list)', 5],
    ["math.min(3, 2) + math.max(3, 2)", 5],
    ["json.encode_to_string(args.list)", "[1,2]"],
    ['json.decode("[1]")[0]', 1],
    ['text.to_upper("a\\"b")', 'A"B'],
    ['sys.get_env("GOOGLE_CLOUD_PROJECT_ID")', "emulated"],
    ['sys.get_env("GOOGLE_CLOUD_LOCATION")', "europe-west4"],
  ])("%s", async (expression, value) => {
    expect(await run(returns(`\${${expression}}`), { argument: { n: 7, list: [1, 2] } })).toEqual(
      value,
    );
  });

  test.each([
    ['1 + "a"', "TypeError"],
    ["nobody", "KeyError"],
    ["args.none", "KeyError"],
    ["args.list[2]", "IndexError"],
    ["1 / 0", "ZeroDivisionError"],
    ["not 1", "TypeError"],
    ['sys.get_env("NONE")', "KeyError"],
    ['json.decode("{")', "ValueError"],
  ])("%s is a %s", async (expression, tag) => {
    expect(await run(returns(`\${${expression}}`), { argument: { list: [1, 2] } })).toEqual(
      failed(tag),
    );
  });
});

describe("steps", () => {
  test("assign in order, also into maps and lists", async () => {
    const steps = [
      {
        init: { assign: [{ a: 1 }, { b: "${a + 1}" }, { m: { x: [1, 2] } }, { "m.x[b - 1]": 9 }] },
      },
      { more: { assign: [{ "m.y.z": "${b}" }] } },
      ...returns("${m}"),
    ];
    expect(await run(steps)).toEqual({ x: [1, 9], y: { z: 2 } });
  });

  test("jump, switch, and call subworkflows with their own variables", async () => {
    const steps = [
      { init: { assign: [{ n: 0 }] } },
      { more: { call: "plus", args: { a: "${n}" }, result: "n" } },
      { again: { switch: [{ condition: "${n < 5}", next: "more" }], next: "over" } },
      { never: { raise: "not reached" } },
      { over: { return: "${n}" } },
    ];
    const plus = { params: ["a", { b: 2 }], steps: [{ end: { return: "${a + b}" } }] };
    expect(await run(steps, { routines: { plus } })).toBe(6);
  });

  test("loops have variables of their own, and break and continue", async () => {
    const steps = [
      { init: { assign: [{ sum: 0 }] } },
      {
        loop: {
          for: {
            value: "v",
            range: [1, 9],
            steps: [
              {
                some: {
                  switch: [
                    { condition: "${v == 2}", next: "continue" },
                    { condition: "${v == 5}", next: "break" },
                  ],
                },
              },
              { add: { assign: [{ sum: "${sum + v}" }] } },
            ],
          },
        },
      },
      ...returns("${sum}"),
    ];
    expect(await run(steps)).toBe(8);
    expect(await run([...steps.slice(0, 2), ...returns("${v}")])).toEqual(failed("KeyError"));
  });

  test("errors are caught, raised again, and fail an execution", async () => {
    const catching = {
      try: { raise: { message: "why", tags: ["own"] } },
      except: { as: "e", steps: [{ back: { return: "${e.message + e.tags[0]}" } }] },
    };
    expect(await run([{ all: catching }])).toBe("whyown");
    expect(await run([{ all: { raise: { message: "why", tags: ["own"] } } }])).toEqual({
      state: "FAILED",
      error: { message: "why", tags: ["own"] },
    });
  });

  test("a parallel loop shares what it says, runs so many at once and collects its failures", async () => {
    const inParallel = (steps: Yaml[], more: Record<string, Yaml> = {}): Yaml => ({
      loop: { parallel: { ...more, for: { value: "v", in: [1, 2, 3, 4], steps } } },
    });
    const init = { init: { assign: [{ sum: 0 }] } };
    const add = { add: { assign: [{ sum: "${sum + v}" }] } };
    expect(await run([init, inParallel([add], { shared: ["sum"] }), ...returns("${sum}")])).toBe(
      10,
    );
    expect(await run([init, inParallel([add])])).toEqual(failed("UnhandledBranchError"));
    const sleep = { sleep: { call: "sys.sleep", args: { seconds: 100 } } };
    const since = Date.now();
    await run([inParallel([sleep], { concurrency_limit: 2 })]);
    expect(Date.now() - since).toBeGreaterThanOrEqual(195);
  });
});

describe("requests", () => {
  test("carry an identity token for their audience, and JSON", async () => {
    const args = {
      url: `${url}/hello`,
      auth: { type: "OIDC", audience: "https://function" },
      body: { a: "${args.n}" },
    };
    const steps = [{ ask: { call: "http.post", args, result: "r" } }, ...returns("${r.body.path}")];
    expect(await run(steps, { argument: { n: 1 } })).toBe("/hello");
    const last = asked.findLast(({ path }) => path === "/hello");
    expect(last).toMatchObject({
      body: '{"a":1}',
      headers: {
        authorization: "Bearer for https://function",
        "content-type": "application/json; charset=utf-8",
        "user-agent": expect.stringContaining("GoogleCloudWorkflows"),
      },
    });
  });

  const predicate = {
    params: ["e"],
    steps: [
      {
        is: { switch: [{ condition: '${"HttpError" in e.tags and e.code == 503}', return: true }] },
      },
      { otherwise: { return: false } },
    ],
  };
  const retried = (path: string): Yaml => ({
    ask: {
      try: { call: "http.post", args: { url: url + path }, result: "r" },
      retry: {
        predicate: "${unavailable}",
        max_retries: 2,
        backoff: { initial_delay: 1, max_delay: 2, multiplier: 2 },
      },
      except: { as: "e", steps: [{ back: { return: "${e.code}" } }] },
    },
  });

  test("are tried again as their policy says", async () => {
    let tries = 0;
    answers.set("/twice", () => (++tries < 3 ? 503 : 200));
    const routines = { unavailable: predicate };
    expect(await run([retried("/twice"), ...returns("${r.code}")], { routines })).toBe(200);
    answers.set("/always", () => 503);
    expect(await run([retried("/always")], { routines })).toBe(503);
    expect(asked.filter(({ path }) => path === "/always")).toHaveLength(3);
    answers.set("/refused", () => 403);
    expect(await run([retried("/refused")], { routines })).toBe(403);
    expect(asked.filter(({ path }) => path === "/refused")).toHaveLength(1);
  });

  test("fail as the service says they do", async () => {
    const ask = (args: Record<string, Yaml>): Yaml[] => [{ ask: { call: "http.post", args } }];
    answers.set("/broken", () => undefined);
    answers.set("/missing", () => 404);
    const nobody = `http://127.0.0.1:${await freePort()}`;
    expect(await run(ask({ url: nobody }))).toEqual(failed("ConnectionFailedError"));
    expect(await run(ask({ url: `${url}/broken` }))).toEqual(failed("ConnectionError"));
    expect(await run(ask({ url: `${url}/missing` }))).toMatchObject({
      error: { tags: ["HttpError"], code: 404, body: { path: "/missing" } },
    });
    expect(await run(ask({ url, timeout: 1801 }))).toEqual(failed("ValueError"));
  });
});

describe("callbacks", () => {
  const awaiting = (timeout: number): Yaml[] => [
    { open: { call: "events.create_callback_endpoint", args: {}, result: "callback" } },
    { tell: { call: "http.post", args: { url: `${url}/tell`, body: { url: "${callback.url}" } } } },
    {
      park: {
        try: {
          call: "events.await_callback",
          args: { callback: "${callback}", timeout },
          result: "got",
        },
        except: { as: "e", steps: [{ back: { return: "${e.tags[0]}" } }] },
      },
    },
    { linger: { call: "sys.sleep", args: { seconds: 100 } } },
    ...returns("${got.http_request.body.answer}"),
  ];
  const told = (): string =>
    JSON.parse(asked.findLast(({ path }) => path === "/tell")?.body ?? "").url;
  const send = async (to: string, method = "POST", headers = { authorization: "Bearer x" }) =>
    (
      await fetch(to, {
        method,
        headers,
        ...(method === "GET" ? {} : { body: JSON.stringify({ answer: 42 }) }),
      })
    ).status;
  const until = async (is: () => boolean): Promise<void> => {
    while (!is()) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const stepOf = (name: string): string | undefined =>
    emulator.executions.find((one) => one.name === name)?.steps.at(-1);

  test("end a wait; who comes later changes nothing, and after the end there is nobody", async () => {
    const name = await start(awaiting(60));
    await until(() => stepOf(name) === "park");
    const to = told();
    expect(await send(to, "POST", {} as never)).toBe(401);
    expect(await send(to, "GET")).toBe(405);
    expect(await send(to)).toBe(200);
    await until(() => stepOf(name) === "linger");
    expect(await send(to)).toBe(200);
    await emulator.executions.find((one) => one.name === name)?.ended;
    expect(await send(to)).toBe(404);
    expect(await resultOf(name)).toBe(42);
  });

  test("that come before they are awaited are kept, and a second one is refused", async () => {
    let early: Promise<number[]> | undefined;
    answers.set("/tell", () => {
      early = send(told()).then(async (first) => [first, await send(told())]);
      return 200;
    });
    // the reply is held back until both are in
    const steps = awaiting(60).toSpliced(2, 0, {
      hold: { call: "sys.sleep", args: { seconds: 100 } },
    });
    expect(await run(steps)).toBe(42);
    answers.delete("/tell");
    expect(await early).toEqual([200, 429]);
  });

  test("end with a TimeoutError when nobody comes, at once when told so", async () => {
    expect(await run(awaiting(0.05))).toBe("TimeoutError");
    const name = await start(awaiting(3600));
    await until(() => stepOf(name) === "park");
    emulator.expire();
    expect(await resultOf(name)).toBe("TimeoutError");
  });

  test("an execution can be cancelled while it waits", async () => {
    const name = await start(awaiting(60));
    await until(() => stepOf(name) === "park");
    const [cancelled] = await client.cancelExecution({ name });
    expect(cancelled).toMatchObject({ state: "CANCELLED" });
    expect(await send(told())).toBe(404);
  });
});

describe("limits", () => {
  const source = (steps: readonly Yaml[]): string => toYaml({ main: { steps } });
  const many = (one: Yaml): Yaml[] => Array.from({ length: 51 }, () => one);

  test.each<[string, string]>([
    ["a source above 128 KB", source([{ long: { return: "x".repeat(131_072) } }])],
    ["an expression above 400 characters", source([{ e: { return: `\${"${"x".repeat(399)}"}` } }])],
    ["a step that is not there", source([{ a: { assign: [{ b: 1 }], next: "nowhere" } }])],
    ["two steps of one name", source([{ a: { return: 1 } }, { a: { return: 2 } }])],
    ["51 conditions", source([{ a: { switch: many({ condition: true, next: "a" }) } }])],
    ["51 assignments", source([{ a: { assign: many({ b: 1 }) } }])],
    ["an unknown key", source([{ a: { retrun: 1 } }])],
    ["an expression nobody can read", source([{ a: { return: "${1 +}" } }])],
    ["no steps", source([])],
    [
      "a jump out of a loop",
      source([{ a: { for: { value: "v", in: [1], steps: [{ b: { next: "a" } }] } } }]),
    ],
  ])("%s is refused", async (_, text) => {
    expect(await deployWorkflow(emulator, `w${count++}`, text)).toMatchObject({ status: 400 });
  });

  test("variables of more than 512 KB, and more than 100,000 steps, end an execution", async () => {
    const growing = [
      { init: { assign: [{ s: "x".repeat(50_000) }] } },
      { grow: { assign: [{ s: "${s + s}" }], next: "grow" } },
    ];
    expect(await run(growing)).toEqual(failed("ResourceLimitError"));
    expect(await run([{ loop: { assign: [{ a: 1 }], next: "loop" } }])).toEqual(
      failed("ResourceLimitError"),
    );
    expect(emulator.executions.at(-1)?.used.steps).toBe(100_001);
  });

  test("an argument above 32 KB, an unknown workflow and a second one of a name are refused", async () => {
    const parent = `${place}/workflows/w0`;
    const execution = { argument: JSON.stringify("x".repeat(32_768)) };
    await expect(client.createExecution({ parent, execution })).rejects.toThrow(/argument/);
    await expect(
      client.createExecution({ parent: `${place}/workflows/none`, execution: {} }),
    ).rejects.toThrow(/none/);
    expect(await deployWorkflow(emulator, "w0", source(returns(1)))).toMatchObject({
      status: 409,
      body: { error: { status: "ALREADY_EXISTS" } },
    });
  });

  test("what runs keeps the revision it was started on", async () => {
    const name = await start([
      { sleep: { call: "sys.sleep", args: { seconds: 100 } } },
      ...returns("first"),
    ]);
    const [workflow = ""] = name.split("/executions/");
    const changed = await fetch(`${emulator.endpoint}/v1/${workflow}`, {
      method: "PATCH",
      body: JSON.stringify({ sourceContents: source(returns("second")) }),
    });
    expect(await changed.json()).toMatchObject({
      response: { revisionId: expect.stringMatching(/^000002-/) },
    });
    expect(await resultOf(name)).toBe("first");
  });
});
