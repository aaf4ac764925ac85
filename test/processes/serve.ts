/** Something one process is asked to do, perhaps at the same moment as others. */
export interface Move {
  /** Number of the move, repeated in the reply. */
  readonly no: number;
  readonly verb: string;
  readonly args: readonly unknown[];
  /** Epoch milliseconds at which to do it. */
  readonly at: number;
}

/** How it went. */
export type Reply = { readonly no: number } & (
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string }
);

/** Something a process tells without having been asked. */
export interface Told {
  readonly told: unknown;
}

type Verbs = Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;

/** Do what the process that started this one asks for, until it is gone. */
export function serve(verbs: Verbs): void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", (move: Move) => {
    void make(verbs, move).then((reply) => process.send?.(reply));
  });
  process.send?.("ready");
}

/** Tell the process that started this one something it has not asked for. */
export function tell(told: unknown): void {
  process.send?.({ told } satisfies Told);
}

async function make(verbs: Verbs, { no, verb, args, at }: Move): Promise<Reply> {
  const act = verbs[verb] as ((...given: readonly unknown[]) => Promise<unknown>) | undefined;
  const early = at - Date.now() - 2;
  if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  while (Date.now() < at); // a timer is late by a millisecond or more
  try {
    if (act === undefined) throw new TypeError(`There is no ${verb} here.`);
    return { no, ok: true, value: await act(...args) };
  } catch (error) {
    const { code = "none", message } = error as Error & { code?: string };
    return { no, ok: false, code, message };
  }
}
