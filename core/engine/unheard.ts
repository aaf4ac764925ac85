import { type Judge, holdRejections } from "../held-rejections.ts";

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

let judge: Judge | undefined;

/**
 * Keep a rejected promise that nothing awaits (yet) an affair of the execution whose code made it: else it ends the
 * process, and with it all other executions there, and ends it again whenever the execution goes on. `whose` is asked in
 * the context in which the promise was made.
 */
export function keepUnheard(whose: WhoseCode): void {
  judge ??= (reason) => {
    const owner = whose();
    if (owner === undefined) return false;
    if (typeof reason !== "object" || reason === null || !recorded.has(reason)) warn(owner, reason);
    return true;
  };
  holdRejections(judge);
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
