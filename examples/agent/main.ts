// node examples/agent/main.ts [question]
import { resolve } from "node:path";
import { follow } from "../follow.ts";
import { agentFlow } from "./flow.ts";
import { chosen } from "./model.ts";

const question =
  process.argv[2] ?? "What does it cost to return a book late, and can I renew a loan online?";
const handbook = `${import.meta.dirname}/handbook`;

console.log(chosen.note);
await follow(agentFlow.run({ question, handbook, outbox: resolve(".kitaru/replies") }));
