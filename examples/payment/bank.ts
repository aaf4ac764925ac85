// Stands in for a payment service that takes an idempotency key, as most do (in HTTP: the header `Idempotency-Key`).
// It is a folder with one file for each key, so that it can be looked at and outlives every process.
import { createHash, randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

/** What is to be paid. */
export interface Transfer {
  readonly iban: string;
  readonly cents: number;
  readonly reference: string;
}

/** What was paid. */
export interface Receipt extends Transfer {
  readonly receipt: string;
}

/** Pay once for a key, however often it is asked; a key that comes with another transfer is refused. */
export async function pay(ledger: string, key: string, transfer: Transfer): Promise<Receipt> {
  const receipt = createHash("sha256").update(key).digest("hex").slice(0, 12);
  const file = join(ledger, `${receipt}.json`);
  const draft = join(ledger, `.${randomUUID()}`);
  await mkdir(ledger, { recursive: true });
  await writeFile(draft, JSON.stringify({ receipt, ...transfer }));
  try {
    await link(draft, file); // all of it or nothing, and only if it is not there
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    await rm(draft);
  }
  const paid = JSON.parse(await readFile(file, "utf8")) as Receipt;
  if (isDeepStrictEqual(paid, { receipt, ...transfer })) return paid;
  throw new Error(`The key ${key} was used for another transfer: ${JSON.stringify(paid)}`);
}
