import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "../measure.ts";
import { type Row, bound } from "../row.ts";
import type { Params, Workload } from "../workload.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Time of `import "kitaru"`, each in a process of its own. */
export const importing: Workload = { durabilities: ["normal"], run };

async function run({ durability, isQuick }: Params): Promise<readonly Row[]> {
  const times = isQuick ? 5 : 15;
  const taken = Array.from({ length: times + 1 }, importOnce).slice(1);
  const ms = median(taken);
  return [
    {
      workload: "import",
      what: 'import "kitaru"',
      durability,
      unit: "ms",
      ours: ms,
      target: bound(ms, "ms", 25),
    },
  ];
}

function importOnce(): number {
  const program =
    'const from = performance.now(); await import("kitaru"); console.log(performance.now() - from);';
  const args = ["--input-type=module", "--eval", program];
  return Number(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" }));
}
