import type { ExecutionsClient } from "@google-cloud/workflows";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type WorkflowDirective, leave } from "../../adapters/gcp/directive.ts";
import { workflowDefinition } from "../../adapters/gcp/emit.ts";
import { type Yaml, toYaml } from "../../adapters/gcp/workflow-yaml.ts";
import { freePort } from "../emulators/port.ts";
import {
  type IndependentEmulator,
  type Outcome,
  noWorkflowsEmulator,
  startIndependent,
} from "../emulators/workflows-emulator.ts";
import { deployWorkflow, executionsClient, place } from "../emulators/workflows/client.ts";
import { type WorkflowsEmulator, startWorkflows } from "../emulators/workflows/service.ts";
import { type Asked, startScripted } from "./scripted.ts";

/** Something the emulator others have written does otherwise than the service. */
interface Gap {
  /** Steps that show it. */
  readonly steps: readonly Yaml[];
  /** What comes of them there. */
  readonly there: Partial<Outcome>;
  /** What stands in the place of it in what is emitted; absent: nothing that is emitted needs it. */
  readonly mend?: (source: string) => string;
}

const post = (args: Record<string, Yaml>): Yaml[] => [{ ask: { call: "http.post", args } }];
const nobody = `http://127.0.0.1:${await freePort()}`;
const failing = await startScripted(() => 500);
const result = (of: Yaml): Yaml[] => [{ end: { return: of } }];
const crash = (text: string): Partial<Outcome> => ({ crash: expect.stringContaining(text) });

/**
 * What it does otherwise. One gap more cannot be shown, for it is a matter of chance: variables of parallel loops stay for the
 * life of the process under their names, and any of them is read. So each script has a process of its own, and none has two
 * such loops: what is emitted for large fan-outs is not held against it.
 */
const gaps: Readonly<Record<string, Gap>> = {
  "there are no callbacks": {
    steps: [{ open: { call: "events.create_callback_endpoint", args: {} } }],
    there: crash("events is probably not defined"),
    mend: (source) =>
      source
        .replace(
          /call: events\.create_callback_endpoint\n.*\n.*\n.*result: callback/,
          'assign:\n          - callback:\n              url: ""',
        )
        .replaceAll(
          /call: events\.await_callback\n( +)args:\n.*\n.*/g,
          "call: sys.sleep\n$1args:\n$1  seconds: 0",
        ),
  },
  "there are no identity tokens": {
    steps: post({ url: nobody, auth: { type: "OIDC" } }),
    there: { error: { tags: ["NotImplementedError"] } },
    mend: (source) => source.replaceAll(/\n +auth:\n +type: \w+(?:\n +audience: .*)?/g, ""),
  },
  "an error status has another tag": {
    steps: post({ url: failing.url }),
    there: { error: { tags: ["HTTPError"], code: 500 } },
    mend: (source) => source.replaceAll("HttpError", "HTTPError"),
  },
  "what a parallel loop goes over has no members": {
    steps: [
      {
        loop: {
          parallel: {
            for: {
              value: "v",
              in: [{ a: 1 }],
              steps: [{ log: { call: "sys.log", args: { text: "${v.a}" } } }],
            },
          },
        },
      },
    ],
    there: crash("no attribute 'a'"),
    mend: (source) =>
      source
        .replaceAll(/\$\{task\.(\w+)\}/g, `'\${task["$1"]}'`)
        .replaceAll("${urls[task.name]}", `'\${urls[task["name"]]}'`),
  },
  "nothing is the text None": {
    steps: result('${map.get(args, "none")}'),
    there: { result: "None" },
  },
  "a connection that fails cannot be caught": {
    steps: post({ url: nobody }),
    there: crash("ConnectionError"),
  },
  "what is not there is no KeyError": {
    steps: result("${args.none}"),
    there: crash("probably not defined"),
  },
  "an environment variable that is not there is nothing": {
    steps: result('${sys.get_env("NONE")}'),
    there: { result: "None" },
  },
  "true and false are no words of an expression": {
    steps: result("${not true}"),
    there: crash("probably not defined"),
  },
  "numbers are as good as booleans": { steps: result("${not 1}"), there: { result: false } },
  "what cannot be decoded is no ValueError": {
    steps: result('${json.decode("{")}'),
    there: { error: { tags: ["JSONDecodeError"] } },
  },
  "JSON is indented": {
    steps: result("${json.encode_to_string(args.list)}"),
    there: { result: "[\n    1,\n    2\n]" },
  },
  "the time of a request is a literal": {
    steps: post({ url: failing.url, timeout: "${args.n}" }),
    there: { schema: expect.stringContaining("is not of type 'number'") },
  },
};

describe.skipIf(noWorkflowsEmulator !== undefined)(
  `an independent emulator (${noWorkflowsEmulator ?? "found"})`,
  () => {
    let own: WorkflowsEmulator;
    let client: ExecutionsClient;
    let other: IndependentEmulator;
    const startOther = (): IndependentEmulator =>
      startIndependent({
        GOOGLE_CLOUD_PROJECT_ID: "emulated",
        GOOGLE_CLOUD_LOCATION: "europe-west4",
        GOOGLE_CLOUD_WORKFLOW_ID: "w",
        GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID: "e",
      });
    beforeAll(async () => {
      own = await startWorkflows({ speed: 1000 });
      client = executionsClient(own);
      other = startOther();
    }, 60_000);
    afterAll(async () => {
      await client.close();
      await own.close();
      await other.close();
      await failing.close();
    });

    let count = 0;
    const runHere = async (source: string, argument: object): Promise<Outcome> => {
      const id = `w${count++}`;
      expect(await deployWorkflow(own, id, source)).toMatchObject({ status: 200 });
      await client.createExecution({
        parent: `${place}/workflows/${id}`,
        execution: { argument: JSON.stringify(argument) },
      });
      const execution = own.executions.at(-1);
      await execution?.ended;
      if (execution?.error === undefined) return { schema: null, result: execution?.result };
      return { schema: null, error: JSON.parse(execution.error.payload) };
    };
    const argument = { n: 7, list: [1, 2] };
    const sourceOf = (steps: readonly Yaml[]): string =>
      toYaml({ main: { params: ["args"], steps } });

    test.each(Object.keys(gaps))("differs from the service: %s", async (name) => {
      const { steps = [], there } = gaps[name] ?? {};
      const source = sourceOf(steps);
      expect(await other.run(source, argument)).toMatchObject(there ?? {});
      expect(await runHere(source, argument)).not.toMatchObject(there ?? {});
    });

    test.each([
      "1 + 2 * 3 - 4 // 3",
      "-7 % 3",
      "7 / 2",
      '"a" + "b" == "ab" and not("x" in ["y"])',
      "1 < 2 or args.none",
      "not (1 == 1 and 2 != 3)",
      'args.list[1] + args["n"]',
      '"n" in args and not("m" in args)',
      "[1, args.n][1]",
      'default(map.get(args, "none"), 5)',
      'string(12) + "x"',
      'len("abc") + len(args.list)',
      "math.min(3, 2) + math.max(3, 2)",
      'json.decode("[1]")[0]',
      'text.to_upper("a\\"b")',
      'sys.get_env("GOOGLE_CLOUD_PROJECT_ID")',
      "args.n >= 7 and args.n < 8 or 1 > 2 and 2 <= 1",
    ])("comes to the same: %s", async (expression) => {
      const source = sourceOf(result(`\${${expression}}`));
      const [here, there] = [await runHere(source, argument), await other.run(source, argument)];
      expect(there).toEqual({ ...here, schema: null });
    });

    test.each([
      ['1 + "a"', "TypeError"],
      ["args.list[2]", "IndexError"],
      ["1 / 0", "ZeroDivisionError"],
    ])("fails in the same way: %s", async (expression, tag) => {
      const source = sourceOf(result(`\${${expression}}`));
      for (const outcome of [await runHere(source, argument), await other.run(source, argument)])
        expect(outcome.error?.tags).toEqual([tag]);
    });

    const task = (name: string, n: number) => ({ callId: `${name}:${n}`, attempt: 1, name });
    const end = { kind: "end", status: "completed" } as const;
    const park = { kind: "park", label: "approve", seconds: 0.01 } as const;
    const tasks = [task("render", 0), task("render", 1), task("render", 2)];
    const scripts: Readonly<Record<string, readonly (Partial<WorkflowDirective> | number)[]>> = {
      "an end": [end],
      "a failure": [{ kind: "end", status: "failed", code: "timeout" }],
      "a cancel": [{ kind: "end", status: "cancelled", code: "cancelled" }],
      "somebody else": [{ kind: "end" }],
      "a yield": [{ kind: "advance" }, { kind: "advance" }, end],
      "waits and a sleep": [park, { ...park, label: "sleep" }, park, end],
      "isolated checkpoints": [{ kind: "tasks", label: "render", tasks, count: 3 }, end],
      "a mixed fan-out": [{ kind: "tasks", tasks: [task("render", 0), task("embed", 0)] }, end],
      "an attempt that is lost": [{ kind: "tasks", label: "lost", tasks: [task("lost", 0)] }, end],
      "an outage": [503, 500, end],
      "a refusal": [403],
      "a renewal": [{ kind: "tasks", tasks: [], count: 2000 }, { kind: "advance" }],
      "an unknown directive": [{ kind: "dance" as "end" }],
    };

    test.each(Object.keys(scripts))(
      "asks the same and ends the same: %s",
      async (name) => {
        const played = async (
          run: (source: string, argument: object) => Promise<Outcome>,
          mend: (source: string) => string,
        ) => {
          const left = [...(scripts[name] ?? [])];
          const functions = await startScripted((asked) => {
            if (asked.op === "page")
              return { tasks: [0, 1].map((n) => task("embed", Number(asked["page"]) * 2 + n)) };
            if (asked.op !== "advance") return asked["callId"] === "lost:0" ? lost(asked) : {};
            const turn = left.shift();
            return typeof turn === "object" ? { ...leave, ...turn } : turn;
          });
          const definition = workflowDefinition(
            {
              kind: "plan",
              bundle: "0123456789abcdef",
              flows: [],
              waits: [{ wait: "approve" }],
              tasks: [{ checkpoint: "render" }, { checkpoint: "embed" }, { checkpoint: "lost" }],
            },
            {
              advance: functions.url,
              task: ({ checkpoint }) => `${functions.url}/${checkpoint}`,
              executions: functions.url,
            },
          );
          try {
            const { schema, ...outcome } = await run(mend(toYaml(definition)), {
              executionId: "e",
              generation: 1,
            });
            return { schema, ...plain(outcome, functions.asked) };
          } finally {
            await functions.close();
          }
        };
        const mend = (source: string): string =>
          Object.values(gaps).reduce((text, gap) => gap.mend?.(text) ?? text, source);
        const here = await played(runHere, (source) => source);
        const fresh = startOther();
        const there = await played((source, given) => fresh.run(source, given), mend);
        await fresh.close();
        expect(there).toEqual(here);
        expect(here.asked.length).toBeGreaterThan(0);
      },
      30_000,
    );
  },
);

const lost = ({ op }: Asked): object | number => (op === "task" ? 500 : {});

/** An outcome and the requests before it, without what differs from run to run; what runs at once in one order. */
function plain(
  { result: value, error, crash: why }: Omit<Outcome, "schema">,
  asked: readonly Asked[],
) {
  const requests = asked.map(({ op, callbackUrl: _own, ...rest }) => {
    const text = JSON.stringify({ op, ...rest }).replaceAll('"None"', "null");
    return text
      .replaceAll(/workflows\/[^/"\\]+\/executions\/[^/"\\]+/g, "workflows/W/executions/E")
      .replaceAll(/\\n */g, "")
      .replaceAll(String.raw`\": `, String.raw`\":`)
      .replaceAll("HTTPError", "HttpError");
  });
  return {
    asked: requests.toSorted(),
    advances: requests.filter((text) => text.startsWith('{"op":"advance"')).length,
    result: value,
    tags: error?.tags?.map((tag) => tag.replace("HTTPError", "HttpError")),
    code: error?.code,
    crash: why,
  };
}
