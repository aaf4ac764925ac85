import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { local } from "../adapters/local/index.ts";
import { configure } from "../core/stacks.ts";
import { type Ran, kitaru } from "./cli/command-line.ts";

/** One document as the database holds it. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** What a list tells of an execution, as JSON. */
export interface Listed {
  readonly id: string;
  readonly flow: string;
  readonly status: string;
  readonly cursor: string;
  readonly error?: { readonly message: string };
}

/** A local stack in a folder of its own, used through the command line, and its files. */
export class StackFolder {
  readonly root: string;
  /** Module of the flows it runs. */
  readonly flowsFile: string;

  private constructor(root: string, flowsFile: string) {
    this.root = root;
    this.flowsFile = flowsFile;
  }

  /** Open one for the flows of a module. */
  static async open(flows: URL): Promise<StackFolder> {
    const root = await mkdtemp(join(tmpdir(), "kitaru-stack-"));
    configure({ root, config: { stacks: { local: local() } } });
    return new StackFolder(root, fileURLToPath(flows));
  }

  close(): Promise<void> {
    return rm(this.root, { recursive: true });
  }

  run(...args: readonly string[]): Promise<Ran> {
    return kitaru({ cwd: this.root }, ...args);
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    const ran = await this.run(...args, "-o", "json");
    if (ran.err !== "") throw new Error(ran.err);
    return JSON.parse(ran.out) as T;
  }

  /** Start a flow and let it come to rest; its execution id. */
  async start(flow: string, input: unknown): Promise<string> {
    const target = `${this.flowsFile}:${flow}`;
    const args = ["run", target, "--input", JSON.stringify(input)];
    const { item } = await this.json<{ item: { id: string } }>(...args);
    return item.id;
  }

  async list(...args: readonly string[]): Promise<readonly Listed[]> {
    return (await this.json<{ items: Listed[] }>("executions", "list", ...args)).items;
  }

  get file(): string {
    return join(this.root, ".kitaru", "kitaru.db");
  }

  get blobs(): string {
    return join(this.root, ".kitaru", "blobs");
  }

  /** Run a statement on the database, as nobody should. */
  sql(text: string, ...values: readonly (string | number)[]): Row[] {
    const database = new DatabaseSync(this.file);
    try {
      return database.prepare(text).all(...values);
    } finally {
      database.close();
    }
  }

  /** Documents of an execution, in order. */
  documents(id: string): Row[] {
    return this.sql("SELECT * FROM records WHERE partition = ? ORDER BY sort", `exec/${id}`);
  }

  /** Change the text of a document. */
  rewrite(id: string, sort: string, change: (body: string) => string): void {
    const found = this.documents(id).find((row) => row["sort"] === sort);
    const body = change(String(found?.["body"]));
    if (body === found?.["body"]) throw new Error(`nothing to change in ${sort}`);
    const where = "WHERE partition = ? AND sort = ?";
    this.sql(`UPDATE records SET body = ? ${where}`, body, `exec/${id}`, sort);
  }

  remove(id: string, sort: string): void {
    this.sql("DELETE FROM records WHERE partition = ? AND sort = ?", `exec/${id}`, sort);
  }

  /** Put the documents of an execution back as they were. */
  restore(id: string, rows: readonly Row[]): void {
    this.sql("DELETE FROM records WHERE partition = ?", `exec/${id}`);
    for (const row of rows) {
      const names = Object.keys(row);
      const marks = names.map(() => "?").join(", ");
      const values = names.map((name) => row[name] as string);
      this.sql(`INSERT INTO records (${names.join(", ")}) VALUES (${marks})`, ...values);
    }
  }

  /** Everything in the folder of the stack: bytes by path. */
  async bytes(): Promise<ReadonlyMap<string, Buffer>> {
    const folder = join(this.root, ".kitaru");
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    const read = files.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [path, await readFile(path)] as const;
    });
    return new Map(await Promise.all(read));
  }
}
