import { noCloud, startCloud } from "../test/aws/cloud.ts";
import { measureLoaded } from "./aws/loaded.ts";
import { measureAws } from "./aws/measure.ts";

// Counted, not timed: what AWS would bill, for runs against emulators.
if (noCloud !== undefined) throw new Error(`Nothing can be counted here: ${noCloud}.`);
const cloud = await startCloud();
try {
  const { rows, loaded } = await measureAws(cloud, measureLoaded);
  console.table(Object.fromEntries(rows.map(({ what, ...counts }) => [what, counts])));
  const kb = (bytes: number): string => `${Math.round(bytes / 1000)} KB`;
  console.log(
    `The quickstart's advance function loads ${kb(loaded.initialBytes)} in ${Math.round(loaded.loadMs)} ms before its first invocation, and ${kb(loaded.bytes)} with it; the bundle of its flow has ${kb(loaded.flowBytes)}.`,
  );
} finally {
  await cloud.close();
}
