// node examples/fallback/main.ts [dollars] [currency]
// RATES_URL is the service that is asked; without a network, or while it fails, the saved rates are used.
import { fileURLToPath } from "node:url";
import { follow } from "../follow.ts";
import { quoteFlow } from "./flow.ts";

const [dollars = "1000", currency = "EUR"] = process.argv.slice(2);
const url = process.env["RATES_URL"] ?? "https://api.frankfurter.dev/v1/latest?base=USD";
const file = fileURLToPath(new URL("rates.json", import.meta.url));

await follow(quoteFlow.run({ dollars: Number(dollars), currency, url, file }));
