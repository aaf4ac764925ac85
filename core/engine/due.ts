import { duePartition } from "../journal/inbox.ts";
import type { ListParams, StoredRecord } from "../ports/records.ts";
import type { EngineContext } from "./context.ts";

/** Records by the time at which something is due of them, between two time keys. */
export async function* dueRecords(
  { backend }: EngineContext,
  range: Pick<ListParams, "from" | "to">,
): AsyncGenerator<StoredRecord> {
  for (let shard = 0; shard < backend.capabilities.dueShards; shard++)
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await backend.records.listIndex("due", {
        partition: duePartition(shard),
        ...range,
        ...(cursor === undefined ? {} : { cursor }),
      });
      yield* page.items;
      cursor = page.cursor;
    }
}
