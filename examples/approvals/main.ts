// node examples/approvals/main.ts [purchase.json]
import { readFile } from "node:fs/promises";
import { follow, tellModel } from "../follow.ts";
import { purchaseFlow, purchaseSchema } from "./flow.ts";

const file = process.argv[2] ?? new URL("purchase.json", import.meta.url);
const purchase = purchaseSchema.parse(JSON.parse(await readFile(file, "utf8")));

tellModel();
// The number is the id: running this again finds the execution of the same purchase.
await follow(purchaseFlow.run(purchase, { id: purchase.number }), {
  finance_approval: { approved: true, costCentre: "buildings" },
});
