// node examples/revise/main.ts [facts.txt]
import { readFile } from "node:fs/promises";
import { follow, tellModel } from "../follow.ts";
import { noticeFlow } from "./flow.ts";

const facts = await readFile(process.argv[2] ?? new URL("facts.txt", import.meta.url), "utf8");

tellModel();
await follow(noticeFlow.run({ facts }), {
  review_notice: { approved: false, feedback: "Say first that the east wing stays open." },
});
