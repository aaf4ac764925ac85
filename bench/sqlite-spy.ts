import { DatabaseSync, type SQLInputValue, StatementSync } from "node:sqlite";

interface Executes {
  exec: (this: DatabaseSync, sql: string) => void;
}

interface Runs {
  run: (this: StatementSync, ...values: SQLInputValue[]) => { readonly changes: number | bigint };
}

/** Watches every connection of this process while something runs: its settings, and which writes share a commit. */
export class SqliteSpy {
  readonly pragmas: string[] = [];
  /** Number of changed rows in each transaction. */
  readonly transactions: number[] = [];
  #group: "none" | "empty" | "begun" = "none";
  #database: DatabaseSync | undefined;

  /** Watch from now on; the result stops. */
  watch(): () => void {
    const databases: Executes = DatabaseSync.prototype;
    const statements: Runs = StatementSync.prototype;
    const { exec } = databases;
    const { run } = statements;
    const sawExec = (database: DatabaseSync, sql: string): void => this.#sawExec(database, sql);
    const sawRun = (changes: number): void => this.#sawRun(changes);
    databases.exec = function watchedExec(sql) {
      sawExec(this, sql);
      exec.call(this, sql);
    };
    statements.run = function watchedRun(...values) {
      const result = run.apply(this, values);
      sawRun(Number(result.changes));
      return result;
    };
    return () => {
      databases.exec = exec;
      statements.run = run;
    };
  }

  /** Statements that made the database that was opened while this watched. */
  schema(): string[] {
    const rows = this.#database
      ?.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
      .all();
    return rows?.map((row) => String(row["sql"])) ?? [];
  }

  #sawExec(database: DatabaseSync, sql: string): void {
    this.#database = database;
    if (sql.startsWith("PRAGMA") && !/application_id|user_version/.test(sql))
      this.pragmas.push(sql);
    if (sql.startsWith("BEGIN")) this.#group = "empty";
    if (sql.endsWith("COMMIT")) this.#group = "none";
    if (sql.startsWith("ROLLBACK"))
      throw new Error("A transaction was undone while it was recorded.");
  }

  #sawRun(changes: number): void {
    if (changes === 0) return;
    const before = this.#group === "begun" ? (this.transactions.pop() ?? 0) : 0;
    this.transactions.push(before + changes);
    if (this.#group === "empty") this.#group = "begun";
  }
}
