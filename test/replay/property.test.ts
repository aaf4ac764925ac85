import fc from "fast-check";
import { test } from "vitest";
import { Run } from "./program-run.ts";
import { modulus, programs } from "./programs.ts";

/** Generated flows; `PROGRAMS=2000` for more. */
const numRuns = Number(process.env["PROGRAMS"] ?? 60);
const timeout = 20_000 + numRuns * 500;

test("for every call overridden in turn, exactly what depends on it is executed", { timeout }, () =>
  fc.assert(
    fc.asyncProperty(programs, fc.nat(4), async (program, input) => {
      const first = await Run.of(program, input);
      await first.check({});
      for (const { id, value } of first.trace.calls.values()) {
        if (id.startsWith("sleep")) continue;
        await first.check({ overrides: new Map([[id, ((value ?? 0) + 1) % modulus]]) });
      }
      await first.stack.close();
    }),
    { numRuns },
  ),
);

test("from a call on everything is executed, also with something overridden", { timeout }, () =>
  fc.assert(
    fc.asyncProperty(programs, fc.nat(4), fc.nat(), fc.nat(), async (program, input, one, two) => {
      const first = await Run.of(program, input);
      const ids = [...first.trace.calls.keys()];
      const from = ids[one % ids.length] ?? "";
      await first.check({ from });
      const other = ids[two % ids.length] ?? "";
      if (!other.startsWith("sleep")) await first.check({ from, overrides: new Map([[other, 3]]) });
      await first.stack.close();
    }),
    { numRuns },
  ),
);

test("with another input, exactly what depends on that is executed", { timeout }, () =>
  fc.assert(
    fc.asyncProperty(programs, fc.nat(4), fc.nat(4), async (program, input, other) => {
      const first = await Run.of(program, input);
      await first.check({ input: other });
      await first.stack.close();
    }),
    { numRuns },
  ),
);
