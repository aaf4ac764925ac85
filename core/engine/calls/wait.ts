import { toJsonSchema } from "../../schema.ts";
import { type Call, fieldsOf } from "../call.ts";
import type { WaitDefinition } from "../definitions.ts";
import type { FlowRun } from "../flow-run.ts";

/** Ask the outside world, once. */
export async function beginWait(
  run: FlowRun,
  call: Call,
  definition: WaitDefinition,
  now: number,
): Promise<void> {
  run.open.set(call.id, call);
  const open = run.state.opens.get(call.id);
  if (open?.t === "waiting") {
    if (open.due !== undefined) call.due = open.due;
    return;
  }
  const { schema, question, metadata, timeoutMs } = definition;
  const { values } = run.session.context;
  if (timeoutMs !== undefined) call.due = now + timeoutMs;
  const jsonSchema = schema === undefined ? undefined : toJsonSchema(schema);
  const meta =
    metadata === undefined ? undefined : await values.put(metadata, `the metadata of ${call.id}`);
  run.record([
    {
      t: "waiting",
      ...fieldsOf(call),
      ...(call.due === undefined ? {} : { due: call.due }),
      ...(question === undefined ? {} : { question }),
      ...(schema === undefined ? { gate: true } : {}),
      ...(jsonSchema === undefined ? {} : { schema: jsonSchema }),
      ...(meta === undefined ? {} : { meta }),
      at: now,
    },
  ]);
}
