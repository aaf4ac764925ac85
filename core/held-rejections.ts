/** Whether a rejected promise that nothing awaits is held back; asked in the context in which it was made. */
export type Judge = (reason: unknown) => boolean;

const judges = new Set<Judge>();
/** Promises that were held back: Node is not to warn when something awaits them after all. */
const held = new WeakSet<object>();

/** What holds events back, once it does. */
let holding: typeof process.emit | undefined;

/** An event that tells whether they still come by here. */
const probe = Symbol("kitaru");
let isReached = false;

/**
 * Hold back what Node does about rejected promises that nothing awaits, which by default is to end the process, where
 * `judge` says so. Listeners cannot tell each other to leave one alone, and any listener changes what Node does about all
 * of them; so it is the event that is held back, again where somebody who put something else in its place has put back
 * what was before.
 */
export function holdRejections(judge: Judge): void {
  judges.add(judge);
  if (process.emit === holding || isStillHeld()) return;
  const emit = process.emit.bind(process) as (event: unknown, ...args: unknown[]) => boolean;
  holding = ((event: unknown, ...args: unknown[]): boolean => {
    if (event === probe) return (isReached = true);
    if (event === "rejectionHandled" && held.has(args[0] as object)) return true;
    if (event !== "unhandledRejection" || !isHeld(args[0])) return emit(event, ...args);
    held.add(args[1] as object);
    return true;
  }) as typeof process.emit;
  process.emit = holding;
}

function isHeld(reason: unknown): boolean {
  return [...judges].some((judge) => judge(reason));
}

/** Whether it is only behind what somebody has put before it since. */
function isStillHeld(): boolean {
  isReached = false;
  const emitter: NodeJS.EventEmitter = process;
  if (holding !== undefined) emitter.emit(probe);
  return isReached;
}
