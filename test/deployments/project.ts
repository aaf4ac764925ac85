import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const zod = createRequire(import.meta.url).resolve("zod/package.json");
let made = 0;

/** A name no other definition of this program has. */
export function unique(prefix = "f"): string {
  made += 1;
  return `${prefix}_${made}`;
}

/** A package of its own with these files, and with zod; resolves to its folder. */
export async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "kitaru-project-"));
  const all = { "package.json": '{ "name": "project", "type": "module" }', ...files };
  for (const [name, text] of Object.entries(all)) await put(root, name, text);
  await mkdir(join(root, "node_modules"), { recursive: true });
  await symlink(dirname(zod), join(root, "node_modules", "zod"));
  return root;
}

/** A package with one module of flows; resolves to the path of that module. */
export async function flowModule(text: string): Promise<string> {
  return join(await project({ "flows.ts": text }), "flows.ts");
}

/** Write a file of a package, and the folders it is in. */
export async function put(root: string, name: string, text: string): Promise<void> {
  const file = join(root, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
