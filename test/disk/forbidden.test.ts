import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const fromSource = fileURLToPath(new URL("../from-source.ts", import.meta.url));
const flows = fileURLToPath(new URL("fixtures/flows.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

/** The folder a stack lies in. */
let project: string;

beforeEach(() => {
  project = mkdtempSync("/tmp/kitaru-forbidden-");
  if (isRoot) chownSync(project, nobody, nobody);
});
afterEach(() => {
  chmodSync(project, 0o755);
  rmSync(project, { recursive: true });
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The command line in a process of its own, of a user who may not do everything. */
function kitaru(...args: readonly string[]): Ran {
  const who = isRoot ? { uid: nobody, gid: nobody } : {};
  const env = { PATH: process.env["PATH"], HOME: project, TMPDIR: "/tmp" };
  const options = { cwd: "/", env, encoding: "utf8", timeout: 20_000, ...who } as const;
  const cwd = `process.chdir(${JSON.stringify(project)});`;
  const hooks = [
    "--import",
    fromSource,
    "--import",
    `data:text/javascript,${encodeURIComponent(cwd)}`,
  ];
  const ran = spawnSync(process.execPath, [...hooks, main, ...args], options);
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

function expectOneError({ code, out, err }: Ran, says: RegExp): void {
  expect({ code, out, err }).toEqual({
    code: 1,
    out: "",
    err: expect.stringMatching(says) as string,
  });
  expect(err.match(/error: /g)).toHaveLength(1);
  expect(err).not.toMatch(/\n {2,}at /);
}

const greeting = ["run", `${flows}:greeting`, "--input", '"you"'] as const;

describe("a project folder that is read-only", () => {
  test.each([
    [
      greeting,
      /^error: Cannot open \S+kitaru\.db: this user may not write there\. Check the owner/,
    ],
    [["executions", "list"], /^error: Cannot open \S+kitaru\.db: this user may not write there/],
    [["deploy", `${flows}:greeting`], /^error: Cannot open \S+kitaru\.db: this user may not write/],
    [["init", "."], /^error: \S+ cannot be written: EACCES/],
    [["stack", "use", "local"], /^error: \S+stack cannot be written: EACCES/],
  ])("kitaru %j: one clear error, nothing is made", (args, says) => {
    chmodSync(project, 0o555);
    expectOneError(kitaru(...args), says);
    expect(readdirSync(project)).toEqual([]);
  });
});

describe("a stack that has become forbidden", () => {
  let id: string;
  const folder = (): string => join(project, ".kitaru");

  beforeEach(() => {
    const ran = kitaru("run", `${flows}:asking`, "-o", "json");
    id = (JSON.parse(ran.out) as { item: { id: string } }).item.id;
  });

  test.each([
    [
      "a folder nobody may enter",
      () => chmodSync(folder(), 0o000),
      () => chmodSync(folder(), 0o755),
      "may not write there",
    ],
    [
      "a folder nobody may write to",
      () => chmodSync(folder(), 0o555),
      () => chmodSync(folder(), 0o755),
      "read-only|cannot be opened|may not write",
    ],
    [
      "a database nobody may write to",
      () => chmodSync(join(folder(), "kitaru.db"), 0o444),
      () => chmodSync(join(folder(), "kitaru.db"), 0o644),
      "read-only|may not write",
    ],
  ] as const)(
    "%s: an answer is refused with one clear error; allowed again, it is given",
    (_, forbid, allow, says) => {
      forbid();
      const refused = kitaru("executions", "input", id);
      allow();
      expectOneError(
        refused,
        new RegExp(`^error: Cannot (?:open|write) \\S+kitaru\\.db: .*(?:${says}).*\\.`),
      );
      expect(kitaru("executions", "list", "-o", "json").out).toContain('"status":"waiting"');
      expect(kitaru("executions", "input", id).out).toBe("went\n");
    },
  );
});

describe.skipIf(process.platform !== "linux")(
  process.platform === "linux" ? "/proc" : "/proc (skipped: only Linux has it)",
  () => {
    test("a folder in which nothing can be made: init ends, with one clear error", () => {
      expectOneError(kitaru("init", "/proc"), /^error: \/proc\/\S+ cannot be written: ENOENT/);
      expectOneError(
        kitaru("init", "/proc/kitaru"),
        /^error: \/proc\/kitaru\/\S+ cannot be written: ENOENT/,
      );
    });

    test("a stack in it: every command ends, with one clear error", () => {
      const config = `export default { stacks: { local: { kind: "local", describe: {}, open: async (at) => (await import("kitaru/local")).local({ folder: "/proc/kitaru" }).open(at) } } };`;
      execFileSync("tee", [join(project, "kitaru.config.mjs")], { input: config });
      mkdirSync(join(project, "flows"), { recursive: true });
      expectOneError(
        kitaru(...greeting),
        /^error: Cannot open \/proc\/kitaru\/kitaru\.db: the file cannot be opened or created/,
      );
    });
  },
);
