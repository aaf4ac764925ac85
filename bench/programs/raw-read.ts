import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { programArguments, report } from "../program.ts";
import { measuredFolder } from "../stacks.ts";

// Opens the database and reads all rows of an execution.
const { place, args } = programArguments();
const from = performance.now();
const database = new DatabaseSync(join(measuredFolder(place.folder), "kitaru.db"));
const rows = database
  .prepare("SELECT sort, version, body FROM records WHERE partition = ? ORDER BY sort")
  .all(`exec/${args[0] ?? ""}`);
const ms = performance.now() - from;
if (rows.length === 0) throw new Error(`There are no rows of ${args[0] ?? ""}.`);
report(ms);
