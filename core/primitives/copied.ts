import { capture, release } from "../engine/captured.ts";

/**
 * A copy of a value as it is now, for where it is stored only later: its owner may change it meanwhile. What cannot be
 * copied is returned as it is; whoever stores it says what is wrong with it.
 */
export function copied(value: unknown): unknown {
  try {
    return release(capture(value, () => "the value"));
  } catch {
    return value;
  }
}
