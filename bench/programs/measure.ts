import { programArguments, report } from "../program.ts";
import { workloads } from "../workloads/index.ts";

// Runs one workload and reports its rows.
const { place, args } = programArguments();
const [name = "", pace] = args;
const workload = workloads[name];
if (workload === undefined) throw new Error(`There is no workload "${name}".`);
report(await workload.run({ ...place, isQuick: pace === "quick" }));
