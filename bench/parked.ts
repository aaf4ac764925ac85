import type { FlowHandle } from "kitaru";
import { pause } from "./measure.ts";

/** Milliseconds after which a flow that is known to wait has given up everything it held. */
export const settleMs = 5;

/** Resolve once an execution waits and nothing of it runs. */
export async function parked<T>(handle: FlowHandle<T>): Promise<FlowHandle<T>> {
  // A status is read from the whole journal, so a long one is looked at less and less often.
  for (let ms = 1; (await handle.status()) !== "waiting"; ms = Math.min(ms * 2, 200))
    await pause(ms);
  await pause(settleMs);
  return handle;
}
