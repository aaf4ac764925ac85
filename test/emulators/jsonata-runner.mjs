// Evaluates one JSONata expression a line with the reference implementation.
import { createInterface } from "node:readline";
import jsonata from "jsonata";

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await evaluate(JSON.parse(line)))}\n`);
}

async function evaluate(expression) {
  try {
    return { result: (await jsonata(expression).evaluate({})) ?? null };
  } catch (error) {
    return { code: error.code ?? "UNKNOWN", message: error.message };
  }
}
