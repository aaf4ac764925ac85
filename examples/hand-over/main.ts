// node examples/hand-over/main.ts [meeting.txt]
// node examples/hand-over/main.ts --from EXECUTION    reminders of a meeting whose minutes were taken before
import { resolve } from "node:path";
import { follow, tellModel } from "../follow.ts";
import { minutesFlow, remindersFlow } from "./flow.ts";

const [first, from] = process.argv.slice(2);
const meeting = first === "--from" && from !== undefined ? from : await takeMinutes(first);

console.log("\nReminders");
await follow(remindersFlow.run({ meeting }));

async function takeMinutes(file = `${import.meta.dirname}/meeting.txt`): Promise<string> {
  tellModel();
  const minutes = minutesFlow.run({ file: resolve(file) });
  await follow(minutes);
  return minutes.id;
}
