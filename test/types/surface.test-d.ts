import { describe, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { aws } from "../../adapters/aws/index.ts";
import { local } from "../../adapters/local/index.ts";
import {
  type ArtifactView,
  type CheckpointCalls,
  type Deployment,
  type DeploymentSummary,
  type Execution,
  type ExecutionStatus,
  type ExecutionSummary,
  type ExportedFacts,
  type FlowHandle,
  type ImportedFacts,
  type KeptArtifact,
  type KitaruConfig,
  type ListedStatus,
  type LogLine,
  type MovedTag,
  type PendingWait,
  type ReadArtifact,
  type Receipt,
  KitaruClient,
  KitaruError,
  NonRetryableError,
  checkpoint,
  checkpointContext,
  configure,
  defineConfig,
  flow,
  hasCode,
  isKitaruError,
  llm,
  load,
  log,
  save,
  sleep,
  wait,
} from "../../core/index.ts";
import {
  type AskedWait,
  type ScriptedModel,
  type TestStack,
  memoryBackend,
  scriptedModel,
  testStack,
} from "../../testing/index.ts";

const client = new KitaruClient();

describe("sleep", () => {
  test("takes a length or a date, and gives nothing", () => {
    expectTypeOf(sleep(1000)).toEqualTypeOf<Promise<void>>();
    expectTypeOf(sleep("2 days")).toEqualTypeOf<Promise<void>>();
    expectTypeOf(sleep(new Date(0))).toEqualTypeOf<Promise<void>>();
    // @ts-expect-error a length is needed
    void sleep();
    // @ts-expect-error no unit of time
    void sleep("2 lightyears");
    // @ts-expect-error a big integer is no length
    void sleep(5n);
    // @ts-expect-error an object is no length
    void sleep({ days: 2 });
    // @ts-expect-error one length
    void sleep(1, 2);
  });
});

describe("client.executions", () => {
  const { executions } = client;

  test("reads", () => {
    expectTypeOf(executions.get("e")).toEqualTypeOf<Promise<Execution>>();
    expectTypeOf(executions.list()).toEqualTypeOf<Promise<ExecutionSummary[]>>();
    expectTypeOf(executions.latest({ flow: "f" })).toEqualTypeOf<Promise<Execution>>();
    expectTypeOf(executions.pendingWaits("e")).resolves.toEqualTypeOf<readonly PendingWait[]>();
    expectTypeOf(executions.logs("e", { call: "c:0" })).toEqualTypeOf<Promise<LogLine[]>>();
    expectTypeOf<Execution["status"]>().toEqualTypeOf<ExecutionStatus>();
    expectTypeOf<ExecutionSummary["status"]>().toEqualTypeOf<ListedStatus>();
    expectTypeOf<Execution["output"]>().toEqualTypeOf<unknown>();
    void executions.list({ status: ["waiting", "damaged"], limit: 5 });
    // @ts-expect-error an id is needed
    void executions.get();
    // @ts-expect-error no status
    void executions.list({ status: "paused" });
    // @ts-expect-error a number
    void executions.list({ limit: "5" });
    // @ts-expect-error no option
    void executions.list({ flows: ["f"] });
    // @ts-expect-error no damaged execution can be read
    const status: Execution["status"] = "damaged";
    void status;
  });

  test("talks", () => {
    expectTypeOf(executions.input("e", { value: 1 })).toEqualTypeOf<Promise<Receipt>>();
    expectTypeOf(executions.abortWait("e", { wait: "w:0" })).toEqualTypeOf<Promise<Receipt>>();
    expectTypeOf(executions.cancel("e")).toEqualTypeOf<Promise<Receipt>>();
    expectTypeOf(executions.retry("e")).toEqualTypeOf<Promise<Receipt>>();
    expectTypeOf(executions.resume("e")).toEqualTypeOf<Promise<Execution>>();
    expectTypeOf(executions.handle<number>("e")).resolves.toEqualTypeOf<FlowHandle<number>>();
    // @ts-expect-error the answer is in an object
    void executions.input("e", true);
    // @ts-expect-error the wait is a name
    void executions.abortWait("e", { wait: 0 });
    // @ts-expect-error an execution is named by its id
    void executions.cancel(7);
  });

  test("exports and imports", () => {
    expectTypeOf(executions.export("e", { file: "f", move: true })).toEqualTypeOf<
      Promise<ExportedFacts>
    >();
    expectTypeOf(executions.import("f")).toEqualTypeOf<Promise<ImportedFacts>>();
    void executions.import("f", { copy: true });
    // @ts-expect-error a file is needed
    void executions.export("e");
    // @ts-expect-error move is yes or no
    void executions.export("e", { file: "f", move: "office" });
    // @ts-expect-error a path
    void executions.import(new Uint8Array());
  });

  test("the client is for one stack by name", () => {
    void new KitaruClient({ stack: "prod" });
    // @ts-expect-error a name
    void new KitaruClient({ stack: local() });
    // @ts-expect-error not in place of another
    client.executions = new KitaruClient().executions;
  });
});

describe("client.artifacts", () => {
  const { artifacts } = client;

  test("lists what an execution kept, or a flow", () => {
    expectTypeOf(artifacts.list("e", { name: "n" })).toEqualTypeOf<Promise<ArtifactView[]>>();
    expectTypeOf(artifacts.list({ flow: "f" })).toEqualTypeOf<Promise<KeptArtifact[]>>();
    // @ts-expect-error of an execution or of a flow
    void artifacts.list();
    // @ts-expect-error of a flow, without its call
    void artifacts.list({ flow: "f", call: "c:0" });
  });

  test("values are unknown until somebody checks them", () => {
    expectTypeOf(artifacts.get("e/c:0/n")).toEqualTypeOf<Promise<unknown>>();
    expectTypeOf(artifacts.find({ flow: "f", name: "n", version: "01234567" })).toEqualTypeOf<
      Promise<ReadArtifact>
    >();
    // @ts-expect-error a name is needed
    void artifacts.get({ execution: "e" });
    // @ts-expect-error an execution has one version of a name
    void artifacts.get({ execution: "e", name: "n", version: "01234567" });
  });
});

describe("client.deployments", () => {
  const { deployments } = client;

  test("deploys, invokes and tags", () => {
    expectTypeOf(deployments.deploy({ entry: "f.ts", tag: false })).toEqualTypeOf<
      Promise<Deployment[]>
    >();
    expectTypeOf(deployments.list()).toEqualTypeOf<Promise<DeploymentSummary[]>>();
    expectTypeOf(deployments.get("f", { tag: "stable" })).toEqualTypeOf<Promise<Deployment>>();
    expectTypeOf(deployments.invoke<string>("f", 1, { version: 2 })).toEqualTypeOf<
      FlowHandle<string>
    >();
    expectTypeOf(deployments.tag("f", "stable", { version: 2, gate: { last: 5 } })).toEqualTypeOf<
      Promise<MovedTag>
    >();
    expectTypeOf(deployments.delete("f", { version: 1 })).toEqualTypeOf<Promise<void>>();
    // @ts-expect-error an entry is needed
    void deployments.deploy({ flows: ["f"] });
    // @ts-expect-error false, or a tag
    void deployments.deploy({ entry: "f.ts", tag: true });
    // @ts-expect-error a tag or a version, not both
    void deployments.get("f", { tag: "stable", version: 2 });
    // @ts-expect-error a tag or a version, not both
    deployments.invoke("f", 1, { tag: "stable", version: 2 });
    // @ts-expect-error a version is a number
    void deployments.tag("f", "stable", { version: "2" });
    // @ts-expect-error a tag names a version
    void deployments.tag("f", "stable", {});
  });
});

describe("config", () => {
  test("stacks and models", () => {
    const config = defineConfig({
      flows: ["./flows/*.ts"],
      stacks: { local: local({ durability: "full" }), prod: aws({ name: "agents" }) },
      stack: "prod",
      models: {
        fast: "openai/gpt-5",
        own: { model: "openai/gpt-5", secret: "key", price: { input: 1, output: 2 } },
      },
      defaultModel: "fast",
    });
    expectTypeOf(config).toEqualTypeOf<KitaruConfig>();
    // @ts-expect-error a list
    defineConfig({ flows: "./flows/*.ts" });
    // @ts-expect-error a stack is made by its function
    defineConfig({ stacks: { local: "local" } });
    // @ts-expect-error no option of the local stack
    local({ path: ".kitaru" });
    // @ts-expect-error normal or full
    local({ durability: "extreme" });
    // @ts-expect-error the runtime has a name
    aws();
    // @ts-expect-error a price has an output too
    defineConfig({ models: { own: { model: "openai/gpt-5", price: { input: 1 } } } });
    // @ts-expect-error a model is named
    defineConfig({ models: { own: { secret: "key" } } });
    // @ts-expect-error full or metadata
    defineConfig({ models: { own: { model: "openai/gpt-5", record: "nothing" } } });
  });

  test("of a process", () => {
    configure({ stack: "prod" });
    configure({ stack: memoryBackend() });
    configure({ stack: local() });
    // @ts-expect-error a name, a stack or a backend
    configure({ stack: { kind: "local" } });
    // @ts-expect-error a directory
    configure({ root: 1 });
  });
});

describe("checkpoints", () => {
  test("retries are a number or a policy, whose predicate is given what was thrown", () => {
    checkpoint("a", { retries: 2 }, () => 1);
    checkpoint(
      "b",
      {
        retries: {
          attempts: 2,
          initialDelay: "1s",
          retryIf: (error) => {
            expectTypeOf(error).toEqualTypeOf<unknown>();
            return isKitaruError(error) && error.code === "model";
          },
        },
      },
      () => 1,
    );
    // @ts-expect-error how often is needed
    checkpoint("c", { retries: { factor: 2 } }, () => 1);
    // @ts-expect-error a predicate says yes or no
    checkpoint("d", { retries: { attempts: 1, retryIf: () => "yes" } }, () => 1);
    const isLate = (error: TypeError): boolean => error.message === "late";
    // @ts-expect-error what is thrown may be anything
    checkpoint("e", { retries: { attempts: 1, retryIf: isLate } }, () => 1);
    // @ts-expect-error a predicate answers at once
    checkpoint("f", { retries: { attempts: 1, retryIf: async () => true } }, () => 1);
    // @ts-expect-error no delay
    checkpoint("g", { retries: { attempts: 1, maxDelay: "long" } }, () => 1);
  });

  test("map gives results or, settled, every outcome", () => {
    const length = checkpoint("length", (text: string) => text.length);
    expectTypeOf(length.map(["a"], { concurrency: 2 })).toEqualTypeOf<Promise<number[]>>();
    expectTypeOf(length.map(new Set(["a"]), { settle: true })).toEqualTypeOf<
      Promise<PromiseSettledResult<number>[]>
    >();
    expectTypeOf(length.at(0)).toEqualTypeOf<CheckpointCalls<[text: string], number>>();
    // @ts-expect-error items are what the checkpoint takes
    void length.map([1]);
    // @ts-expect-error a number
    void length.map(["a"], { concurrency: "2" });
    const settled = length.map(["a"], { settle: true });
    // @ts-expect-error an outcome is no result
    void settled.then(([first]) => first?.toFixed());
  });

  test("what surrounds them", () => {
    expectTypeOf(checkpointContext().signal).toEqualTypeOf<AbortSignal>();
    expectTypeOf(checkpointContext().attempt).toEqualTypeOf<number>();
    expectTypeOf(save("n", { a: 1 }, { type: "output" })).toEqualTypeOf<void>();
    expectTypeOf(load("e", "n")).toEqualTypeOf<Promise<unknown>>();
    expectTypeOf(log({ a: 1 })).toEqualTypeOf<void>();
    // @ts-expect-error no type of artifacts
    save("n", 1, { type: "film" });
    // @ts-expect-error fields, not a text
    log("text");
  });
});

describe("waits", () => {
  test("the schema decides what is answered and what is got", () => {
    const choice = wait("choice", { schema: z.enum(["red", "blue"]) });
    expectTypeOf(choice()).toEqualTypeOf<Promise<"red" | "blue">>();
    expectTypeOf(choice.answer).parameter(1).toEqualTypeOf<"red" | "blue">();
    // @ts-expect-error no choice
    void choice.answer("e", "green");
    const dated = wait("dated", { schema: z.object({ at: z.iso.date() }), timeout: "1d" });
    expectTypeOf(dated()).resolves.toEqualTypeOf<{ at: string } | undefined>();
    // @ts-expect-error no schema
    wait("bad", { schema: "boolean" });
    // @ts-expect-error no length of time
    wait("late", { timeout: "soon" });
  });
});

describe("llm", () => {
  test("a text, or what the schema says", () => {
    expectTypeOf(llm("Hello", { model: "fast" })).toEqualTypeOf<Promise<string>>();
    const schema = z.object({ title: z.string(), tags: z.array(z.string()).default([]) });
    expectTypeOf(llm("Hello", { schema })).toEqualTypeOf<
      Promise<{ title: string; tags: string[] }>
    >();
    void llm([{ role: "user", content: "Hello" }]);
    // @ts-expect-error no role
    void llm([{ role: "nobody", content: "Hello" }]);
    // @ts-expect-error a prompt is needed
    void llm({ model: "fast" });
    // @ts-expect-error a number
    void llm("Hello", { temperature: "hot" });
    // @ts-expect-error a Standard Schema
    void llm("Hello", { schema: { type: "object" } });
    const title = llm("Hello", { schema });
    // @ts-expect-error the schema has no such field
    void title.then(({ subtitle }) => subtitle);
  });
});

describe("child flows", () => {
  test("are called with their input, and give their result", () => {
    const child = flow("child", { input: z.object({ n: z.coerce.number() }) }, async ({ n }) => n);
    flow("parent", async () => {
      expectTypeOf(await child.call({ n: "1" })).toEqualTypeOf<number>();
      // @ts-expect-error an input is needed
      await child.call();
      // @ts-expect-error n is missing
      await child.call({});
      // @ts-expect-error a child has one input
      await child.call({ n: 1 }, { id: "e" });
    });
    // @ts-expect-error a flow is run, called or invoked
    child({ n: 1 });
  });
});

describe("errors", () => {
  test("are told apart by their code", () => {
    const error: unknown = new NonRetryableError("no");
    if (hasCode(error, "timeout")) expectTypeOf(error).toEqualTypeOf<KitaruError>();
    // @ts-expect-error no code
    hasCode(error, "late");
    // @ts-expect-error a code is one that is known
    void new KitaruError("late", "It is late.");
  });
});

describe("kitaru/testing", () => {
  const double = flow("double", async (n: number) => n * 2);

  test("a stack runs flows with their types", async () => {
    expectTypeOf(testStack({ startAt: new Date(0) })).toEqualTypeOf<Promise<TestStack>>();
    const stack = await testStack({ autoAdvance: false });
    expectTypeOf(stack.run(double, 1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(stack.replay(double, "e")).toEqualTypeOf<Promise<number>>();
    expectTypeOf(stack.finish(double.run(1))).toEqualTypeOf<Promise<number>>();
    expectTypeOf(stack.waiting("e")).resolves.toEqualTypeOf<readonly AskedWait[]>();
    // @ts-expect-error the input is a number
    void stack.run(double, "1");
    // @ts-expect-error a flow, not its name
    void stack.run("double", 1);
    // @ts-expect-error a length of time
    void stack.run(double, 1, { within: "ever" });
    // @ts-expect-error the clock is its own
    void testStack({ clock: stack.clock });
  });

  test("a model answers from a script", () => {
    expectTypeOf(
      scriptedModel(["a", { text: "b", inputTokens: 1 }]),
    ).toEqualTypeOf<ScriptedModel>();
    scriptedModel((prompt, call) => `${prompt.length + call}`);
    // @ts-expect-error a script is a list or a function
    scriptedModel("a");
    // @ts-expect-error no answer
    scriptedModel([{ texts: ["a"] }]);
  });
});
