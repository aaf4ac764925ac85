import { type Duration, dueAt, parseDuration } from "../duration.ts";
import { flowScope } from "../engine/scope.ts";

/**
 * Wait durably for a length of time or until a date; nothing runs meanwhile.
 * @param length milliseconds, a text such as `"2 days"`, or the date to wake at
 */
export async function sleep(length: Duration | Date): Promise<void> {
  const scope = flowScope("sleep()");
  await scope.ask({
    kind: "sleep",
    length:
      length instanceof Date
        ? new Date(dueAt(length, scope.now(), "sleep()"))
        : parseDuration(length, "sleep()"),
  });
}
