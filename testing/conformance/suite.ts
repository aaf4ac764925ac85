import { afterAll, beforeAll, describe, test } from "vitest";

/** What an implementation of a port is opened as; closed when its suite is done. */
export type Closable<Port> = Port & { close?(): Promise<void> };

/** Check one clause of a port's contract. Returning {@link skipped} reports why part of it was left out. */
export type Clause<Port> = (port: Port) => Promise<void | Skipped>;

/** Clauses by title. */
export type Clauses<Port> = Readonly<Record<string, Clause<Port>>>;

/** Reasons by the title of the clause an implementation cannot keep; they appear in the report. */
export type Skips = Readonly<Record<string, string>>;

interface Skipped {
  readonly reason: string;
}

interface Suite<Port> {
  readonly name: string;
  readonly open: () => Closable<Port> | Promise<Closable<Port>>;
  readonly clauses: Clauses<Port>;
  readonly skip: Skips | undefined;
}

/** Leave a clause out, because of a capability. */
export function skipped(reason: string): Skipped {
  return { reason };
}

/** Define a test for each clause, all on one opening of the port. */
export function describePort<Port>({ name, open, clauses, skip = {} }: Suite<Port>): void {
  const unknown = Object.keys(skip).filter((title) => !Object.hasOwn(clauses, title));
  if (unknown.length > 0) throw new Error(`No such clauses to skip: ${unknown.join(", ")}.`);
  describe(name, () => {
    let port: Closable<Port>;
    beforeAll(async () => {
      port = await open();
    });
    afterAll(() => port.close?.());
    for (const [title, clause] of Object.entries(clauses)) {
      test(title, async (context) => {
        const reason = skip[title] ?? (await clause(port))?.reason;
        if (reason !== undefined) context.skip(reason);
      });
    }
  });
}
