import { noCloud, startCloud } from "../test/gcp/cloud.ts";
import { measureGcp } from "./gcp/measure.ts";

// Counted, not timed: what Google would bill, for runs against emulators.
if (noCloud !== undefined) throw new Error(`Nothing can be counted here: ${noCloud}.`);
const cloud = await startCloud();
try {
  const rows = await measureGcp(cloud);
  console.table(Object.fromEntries(rows.map(({ what, ...counts }) => [what, counts])));
} finally {
  await cloud.close();
}
