// node examples/fan-out/main.ts [folder]
import { resolve } from "node:path";
import { follow, tellModel } from "../follow.ts";
import { ticketsFlow } from "./flow.ts";

const folder = process.argv[2] ?? `${import.meta.dirname}/tickets`;

tellModel();
await follow(ticketsFlow.run({ folder: resolve(folder) }));
