import { noCloud, startCloud } from "../test/gcp/cloud.ts";
import { measureLoaded } from "./gcp/loaded.ts";
import { measureGcp } from "./gcp/measure.ts";

// Counted, not timed: what Google would bill, for runs against emulators.
if (noCloud !== undefined) throw new Error(`Nothing can be counted here: ${noCloud}.`);
const cloud = await startCloud();
try {
  const rows = await measureGcp(cloud);
  console.table(Object.fromEntries(rows.map(({ what, ...counts }) => [what, counts])));
  const { start, advance } = await measureLoaded(cloud);
  const kb = (bytes: number): string => `${Math.round(bytes / 1000)} KB`;
  console.log(
    `A function loads ${kb(advance.initialBytes)} in ${Math.round(advance.loadMs)} ms before its first request; ${kb(advance.bytes)} with an advance, ${kb(start.bytes)} with the start of an execution.`,
  );
} finally {
  await cloud.close();
}
