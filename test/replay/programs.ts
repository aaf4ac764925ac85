import fc from "fast-check";
import { z } from "zod";
import { type Checkpoint, type Wait, checkpoint, flow, sleep, wait } from "kitaru";

/** One part of a generated flow. Each adds one number to what the parts after it can read. */
export type Node =
  /** A checkpoint of its own; `fails` for some inputs, and the flow catches that. */
  | { readonly t: "step"; site: number; readonly reads: readonly number[]; readonly fails: boolean }
  | { readonly t: "wait"; site: number; readonly reads: readonly number[] }
  | { readonly t: "child"; site: number; readonly reads: readonly number[] }
  | { readonly t: "map"; site: number; readonly reads: readonly number[]; readonly length: number }
  | { readonly t: "sleep" }
  | { readonly t: "loop"; readonly reads: readonly number[]; readonly body: readonly Node[] }
  | {
      readonly t: "branch";
      readonly reads: readonly number[];
      readonly even: readonly Node[];
      readonly odd: readonly Node[];
    }
  | { readonly t: "parallel"; readonly branches: readonly (readonly Node[])[] };

export type Program = readonly Node[];

const sites = 14;
/** Values are few, so that some inputs stay the same though what they are made of has changed. */
export const modulus = 5;

/** What the world makes of an input; it differs between the first run and what is executed later. */
export function work(site: number, input: number, epoch: number): number {
  return (site * 3 + input * 2 + 1 + epoch * (site % 3)) % modulus;
}

export function fails(input: number): boolean {
  return input % modulus === 2;
}

/** The world now: 0 in the first run. */
export const world = { epoch: 0 };

const steps: Checkpoint<[number], number>[] = Array.from({ length: sites }, (_, site) =>
  checkpoint(`prop_step${site}`, (input: number) => work(site, input, world.epoch)),
);
const brittle: Checkpoint<[number], number>[] = Array.from({ length: sites }, (_, site) =>
  checkpoint(`prop_brittle${site}`, (input: number) => {
    if (fails(input)) throw new RangeError(`input ${input}`);
    return work(site, input, world.epoch);
  }),
);
const waits: Wait<number, number>[] = Array.from({ length: sites }, (_, site) =>
  wait(`prop_wait${site}`, { schema: z.number() }),
);
/** What every child flow does with its input. */
export const childProgram: Program = [
  { t: "step", site: 100, reads: [0], fails: false },
  { t: "wait", site: 100, reads: [1] },
  { t: "step", site: 101, reads: [0, 1], fails: false },
];
const children = Array.from({ length: sites }, (_, site) => {
  const first = checkpoint(`prop_child${site}_100`, (x: number) => work(100, x, world.epoch));
  const second = checkpoint(`prop_child${site}_101`, (x: number) => work(101, x, world.epoch));
  const ask = wait(`prop_child${site}_wait`, { schema: z.number() });
  return flow(`prop_child${site}`, async (input: number) => {
    const one = await first(read([input], [0]));
    const two = await ask({ metadata: read([input, one], [1]) });
    const three = await second(read([input, one, two], [0, 1]));
    return read([input, one, two, three], [0, 1, 2, 3]);
  });
});

/** What a part reads, made into one number. */
export function read(values: readonly number[], reads: readonly number[]): number {
  return reads.reduce((sum, index) => sum + (values[index % values.length] ?? 0), 0) % modulus;
}

/** The name of what a part calls. */
export function nameOf(node: Extract<Node, { site: number }>): string {
  if (node.t === "step") return `prop_${node.fails ? "brittle" : "step"}${node.site}`;
  return `prop_${node.t === "map" ? "step" : node.t}${node.site}`;
}

export const programFlow = flow(
  "prop_program",
  async ({ program, input }: { program: Program; input: number }) => run(program, [input]),
);

async function run(nodes: Program, before: readonly number[]): Promise<number> {
  const values = [...before];
  for (const node of nodes) values.push(await runNode(node, values));
  return read(
    values,
    values.map((_, index) => index),
  );
}

async function runNode(node: Node, values: readonly number[]): Promise<number> {
  switch (node.t) {
    case "step":
      if (!node.fails) return nth(steps, node.site)(read(values, node.reads));
      return nth(brittle, node.site)(read(values, node.reads)).catch(() => modulus + node.site);
    case "wait":
      return nth(waits, node.site)({ metadata: read(values, node.reads) });
    case "child":
      return nth(children, node.site).call(read(values, node.reads));
    case "map": {
      const items = Array.from(
        { length: node.length },
        (_, n) => (read(values, node.reads) + n) % modulus,
      );
      return (await nth(steps, node.site).map(items)).reduce((sum, one) => sum + one, 0);
    }
    case "sleep":
      await sleep("1s");
      return 0;
    case "loop": {
      let last = read(values, node.reads);
      for (let left = 1 + (last % 3); left > 0; left--)
        last = await run(node.body, [...values, last]);
      return last;
    }
    case "branch":
      return run(read(values, node.reads) % 2 === 0 ? node.even : node.odd, values);
    case "parallel": {
      const all = await Promise.all(node.branches.map((branch) => run(branch, values)));
      return all.reduce((sum, one) => sum + one, 0);
    }
  }
}

function nth<T>(items: readonly T[], index: number): T {
  const found = items[index];
  if (found === undefined) throw new RangeError(`no item ${index}`);
  return found;
}

// ---- drawing programs

const reads = fc.array(fc.nat(5), { minLength: 1, maxLength: 2 });
const leaf: fc.Arbitrary<Node> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      t: fc.constant("step" as const),
      site: fc.constant(0),
      reads,
      fails: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ t: fc.constant("wait" as const), site: fc.constant(0), reads }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ t: fc.constant("child" as const), site: fc.constant(0), reads }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      t: fc.constant("map" as const),
      site: fc.constant(0),
      reads,
      length: fc.integer({ min: 1, max: 4 }),
    }),
  },
);
const sleeping: fc.Arbitrary<Node> = fc.constant({ t: "sleep" });

function drawnNodes(depth: number): fc.Arbitrary<Node[]> {
  return fc.array(drawnNode(depth), { minLength: 1, maxLength: 3 });
}

function drawnNode(depth: number): fc.Arbitrary<Node> {
  if (depth === 0) return leaf;
  const inner = drawnNodes(depth - 1);
  return fc.oneof(
    { weight: 4, arbitrary: leaf },
    { weight: 1, arbitrary: fc.record({ t: fc.constant("loop" as const), reads, body: inner }) },
    {
      weight: 1,
      arbitrary: fc.record({
        t: fc.constant("branch" as const),
        reads,
        even: inner,
        odd: inner,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        t: fc.constant("parallel" as const),
        branches: fc.array(inner, { minLength: 2, maxLength: 3 }),
      }),
    },
  );
}

/** Flows of every shape, each part with a checkpoint, wait or child flow of its own. */
export const programs: fc.Arbitrary<Program> = fc
  .array(fc.oneof({ weight: 8, arbitrary: drawnNode(2) }, { weight: 1, arbitrary: sleeping }), {
    minLength: 2,
    maxLength: 5,
  })
  .filter((program) => countSites(program) <= sites)
  .map((program) => {
    let site = 0;
    return numbered(program, () => site++);
  });

function countSites(program: Program): number {
  let count = 0;
  numbered(program, () => count++);
  return count;
}

function numbered(program: Program, next: () => number): Program {
  return program.map((one): Node => {
    switch (one.t) {
      case "loop":
        return { ...one, body: numbered(one.body, next) };
      case "branch":
        return { ...one, even: numbered(one.even, next), odd: numbered(one.odd, next) };
      case "parallel":
        return { ...one, branches: one.branches.map((branch) => numbered(branch, next)) };
      case "sleep":
        return one;
      default:
        return { ...one, site: next() };
    }
  });
}

/** Sites of waits by name, those inside child flows included. */
export const waitSites: ReadonlyMap<string, number> = new Map(
  Array.from({ length: sites }, (_, site): [string, number][] => [
    [`prop_wait${site}`, site],
    [`prop_child${site}_wait`, 100],
  ]).flat(),
);
