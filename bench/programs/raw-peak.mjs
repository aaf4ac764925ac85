// Writes rows of one size with bare node:sqlite and says how much memory the process took at most, in MB.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const [, , folder, durability, rows, bytes] = process.argv;
const database = new DatabaseSync(join(folder, "raw.db"));
database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability}`);
database.exec("CREATE TABLE records (id INTEGER PRIMARY KEY, body TEXT NOT NULL)");
const insert = database.prepare("INSERT INTO records (body) VALUES (?)");
for (let row = 0; row < Number(rows); row += 1) {
  insert.run(
    String(row)
      .padStart(8, "0")
      .repeat(Number(bytes) / 8),
  );
}
process.send(process.resourceUsage().maxRSS / 1000);
