// node examples/payment/main.ts [invoice.json]
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { follow } from "../follow.ts";
import { paymentFlow } from "./flow.ts";
import { invoiceSchema } from "./invoice.ts";

const file = resolve(process.argv[2] ?? `${import.meta.dirname}/invoice.json`);
const { number } = invoiceSchema.parse(JSON.parse(await readFile(file, "utf8")));
const [ledger, outbox] = [resolve(".kitaru/bank"), resolve(".kitaru/outbox.txt")];

// The number is the id, so that one invoice has one execution however often this is run.
await follow(paymentFlow.run({ file, ledger, outbox }, { id: number }));
