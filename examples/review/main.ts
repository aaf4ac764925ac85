// node examples/review/main.ts [document.txt]
import { readFile } from "node:fs/promises";
import { follow, tellModel } from "../follow.ts";
import { reviewFlow } from "./flow.ts";

const file = process.argv[2] ?? new URL("document.txt", import.meta.url);
const document = await readFile(file, "utf8");

tellModel();
await follow(reviewFlow.run({ document }));
