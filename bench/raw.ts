import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Recording, Write } from "./recording.ts";

interface Step {
  readonly statement: StatementSync;
  readonly values: readonly SQLInputValue[];
}

/**
 * Bare node:sqlite that writes what a recording holds: the same rows under the same schema and settings in the same
 * transactions, with every statement prepared and every value at hand before the clock starts.
 */
export class RawStore {
  readonly #database: DatabaseSync;
  readonly #folder: string;
  readonly #recording: Recording;
  readonly #statements = new Map<string, StatementSync>();
  #round = 0;

  constructor(folder: string, recording: Recording) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#recording = recording;
    this.#database = new DatabaseSync(join(folder, "raw.db"));
    for (const pragma of recording.pragmas) this.#database.exec(pragma);
    for (const statement of recording.schema) this.#database.exec(statement);
  }

  /** Write everything once more, under keys of its own. Returns the milliseconds between each two marks. */
  replay(): number[] {
    const { transactions, marks } = this.#recording;
    const groups = this.#prepare(transactions);
    const bounds = [0, ...marks, groups.length];
    return bounds.slice(1).map((to, index) => this.#write(groups.slice(bounds[index] ?? 0, to)));
  }

  /** Like {@link replay}, with the blobs as plain files before the rows. Returns the milliseconds of it all. */
  replayWithBlobs(sync: boolean): number {
    const folder = join(this.#folder, "blobs");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const from = performance.now();
    for (const [index, bytes] of this.#recording.blobs.entries())
      writeFileSync(join(folder, String(index)), bytes, { flush: sync });
    const blobsMs = performance.now() - from;
    return blobsMs + this.replay().reduce((sum, ms) => sum + ms, 0);
  }

  /** Bodies that a replay left, by `partition sort`; replays count from 1. */
  bodies(round: number): Map<string, string> {
    const prefix = `${round}/`;
    const rows = this.#database
      .prepare("SELECT partition, sort, body FROM records WHERE partition >= ? AND partition < ?")
      .all(prefix, `${round}0`);
    return new Map(
      rows.map(({ partition, sort, body }) => [
        `${String(partition).slice(prefix.length)} ${String(sort)}`,
        String(body),
      ]),
    );
  }

  close(): void {
    this.#database.close();
  }

  #write(groups: readonly (readonly Step[])[]): number {
    const from = performance.now();
    for (const group of groups) {
      if (group.length > 1) this.#database.exec("BEGIN IMMEDIATE");
      for (const { statement, values } of group) statement.run(...values);
      if (group.length > 1) this.#database.exec("COMMIT");
    }
    return performance.now() - from;
  }

  #prepare(transactions: readonly number[]): Step[][] {
    this.#round += 1;
    const indexed = new Map<string, string>();
    const steps = this.#recording.writes.map((write) => this.#step(write, indexed));
    let from = 0;
    return transactions.map((size) => steps.slice(from, (from += size)));
  }

  #step(write: Write, indexed: Map<string, string>): Step {
    const { partition, sort } = write.kind === "put" ? write.record : write.key;
    const key = [`${this.#round}/${partition}`, sort];
    const name = key.join(" ");
    if (write.kind === "delete") {
      indexed.delete(name);
      return this.#sql("DELETE FROM records WHERE partition = ? AND sort = ?", key);
    }
    const { version, record } = write;
    const columns = columnsOf(record.indexes ?? {});
    const indexes = JSON.stringify(columns);
    const before = indexed.get(name);
    indexed.set(name, indexes);
    const set = {
      version,
      body: record.body,
      ...(before === indexes ? {} : columns),
    };
    return before === undefined ? this.#insert(key, set) : this.#update(key, set);
  }

  #insert(key: readonly string[], set: Readonly<Record<string, SQLInputValue>>): Step {
    const names = ["partition", "sort", ...Object.keys(set)];
    const marks = names.map(() => "?").join(", ");
    return this.#sql(`INSERT INTO records (${names.join(", ")}) VALUES (${marks})`, [
      ...key,
      ...Object.values(set),
    ]);
  }

  #update(key: readonly string[], set: Readonly<Record<string, SQLInputValue>>): Step {
    const names = Object.keys(set).map((column) => `${column} = ?`);
    return this.#sql(`UPDATE records SET ${names.join(", ")} WHERE partition = ? AND sort = ?`, [
      ...Object.values(set),
      ...key,
    ]);
  }

  #sql(text: string, values: readonly SQLInputValue[]): Step {
    const statement = this.#statements.get(text) ?? this.#database.prepare(text);
    this.#statements.set(text, statement);
    return { statement, values };
  }
}

/** All index columns, so that a key that is gone is set to null. */
function columnsOf(
  indexes: NonNullable<Extract<Write, { kind: "put" }>["record"]["indexes"]>,
): Record<string, SQLInputValue> {
  const { flow, due } = indexes;
  return {
    flow_partition: flow?.partition ?? null,
    flow_sort: flow?.sort ?? null,
    due_partition: due?.partition ?? null,
    due_sort: due?.sort ?? null,
  };
}
