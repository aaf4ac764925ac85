/** Failures of calls: the journal has them, whether anybody hears of them or not. */
const recorded = new WeakSet<object>();

/** What code of an execution is said to be, in a warning. */
export type WhoseCode = () => string | undefined;

/** A call whose outcome somebody may or may not await. */
interface Awaited {
  readonly promise: Promise<unknown>;
  readonly reject: (failure: unknown) => void;
}

/** Let a call fail. Its failure is recorded, and so is nobody's loss when nothing awaits it (yet). */
export function rejectRecorded({ promise, reject }: Awaited, failure: unknown): void {
  promise.catch(nothing);
  if (typeof failure === "object" && failure !== null) recorded.add(failure);
  reject(failure);
}

/** The outcome of a call that fails at once. Throws nothing. */
export function rejectedCall(failure: unknown): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  rejectRecorded({ promise, reject }, failure);
  return promise;
}

function nothing(): void {}

/** Promises that were held back here: Node is not to warn when something awaits them after all. */
const kept = new WeakSet<object>();

/** What holds events back, once it does. */
let holding: typeof process.emit | undefined;

/** An event that tells whether they still come by here. */
const probe = Symbol("kitaru");
let isReached = false;

/**
 * Keep a rejected promise that nothing awaits (yet) an affair of the execution whose code made it. By default it ends
 * the process, and with it all other executions there, and ends it again whenever the execution goes on. Listeners
 * cannot tell each other to leave one alone, and any listener changes what Node does about all of them; so it is the
 * event that is held back, again where somebody who put something else in its place has put back what was before.
 * `whose` is asked in the context in which the promise was made.
 */
export function keepUnheard(whose: WhoseCode): void {
  if (process.emit === holding || isStillHeld()) return;
  const emit = process.emit.bind(process) as (event: unknown, ...args: unknown[]) => boolean;
  holding = ((event: unknown, ...args: unknown[]): boolean => {
    if (event === probe) return (isReached = true);
    if (event === "rejectionHandled" && kept.has(args[0] as object)) return true;
    const owner = event === "unhandledRejection" ? whose() : undefined;
    if (owner === undefined) return emit(event, ...args);
    const [reason, promise] = args;
    kept.add(promise as object);
    if (typeof reason !== "object" || reason === null || !recorded.has(reason)) warn(owner, reason);
    return true;
  }) as typeof process.emit;
  process.emit = holding;
}

/** Whether it is only behind what somebody has put before it since. */
function isStillHeld(): boolean {
  isReached = false;
  const emitter: NodeJS.EventEmitter = process;
  if (holding !== undefined) emitter.emit(probe);
  return isReached;
}

function warn(owner: string, reason: unknown): void {
  process.emitWarning(
    `a promise in ${owner} was rejected before anything awaited it: ${described(reason)}. Await it where it is made, so that its failure is not lost.`,
    "KitaruWarning",
  );
}

function described(reason: unknown): string {
  try {
    return String(reason).replace(/\.$/, "");
  } catch {
    return "a value that cannot be shown";
  }
}
