import { noCloud, startCloud } from "../test/azure/cloud.ts";
import { measureAzure } from "./azure/measure.ts";

// Counted, not timed: what Azure would bill, for runs against emulators.
if (noCloud !== undefined) throw new Error(`Nothing can be counted here: ${noCloud}.`);
const cloud = await startCloud();
try {
  const rows = await measureAzure(cloud);
  console.table(Object.fromEntries(rows.map(({ what, ...counts }) => [what, counts])));
} finally {
  await cloud.close();
}
