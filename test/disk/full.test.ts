import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StackFolder } from "../stack-folder.ts";
import { runs } from "./fixtures/flows.ts";

const flows = new URL("fixtures/flows.ts", import.meta.url);
const canMount = canMountHere();
const full =
  /^error: .*the disk is full\. Free some space and try again; what was recorded before is safe\.\n$/m;

let stack: StackFolder;
let disk: string;

describe.skipIf(!canMount)(
  canMount ? "a full disk" : "a full disk (skipped: no file system can be mounted here)",
  () => {
    beforeEach(async () => {
      stack = await StackFolder.open(flows);
      disk = join(stack.root, ".kitaru");
      mkdirSync(disk);
      mount("size=1m");
      runs.length = 0;
    });
    afterEach(async () => {
      execFileSync("umount", [disk]);
      await stack.close();
    });

    test("during a run: the execution rests where it got to, and goes on from there", async () => {
      await stack.start("greeting", "you");
      await fill(200);
      const ran = await stack.run("run", `${stack.flowsFile}:steps`, "--input", "20");
      expectOneError(ran, full);
      const [found] = await stack.list();
      expect(found).toMatchObject({
        flow: "steps",
        status: expect.stringMatching(/queued|running/) as string,
      });
      const before = runs.length;
      expect(before).toBeGreaterThan(1);
      expect(before).toBeLessThan(20);
      await makeRoom();
      const resumed = await stack.run("executions", "resume", found?.id ?? "");
      expect([resumed.err.includes("error"), resumed.out]).toEqual([false, "500000\n"]);
      // what was recorded is not run again, only the one whose outcome did not fit
      const byRun = Map.groupBy(runs, (run) => run);
      const counts = [...byRun.values()].map(({ length }) => length);
      expect(counts).toHaveLength(20);
      expect(counts.filter((count) => count > 1)).toHaveLength(1);
    });

    test("at a start: nothing of the execution is there, and the same start works later", async () => {
      await stack.start("greeting", "you");
      await fill(0);
      const args = [
        "run",
        `${stack.flowsFile}:greeting`,
        "--input",
        `"${"x".repeat(30_000)}"`,
        "--id",
        "e",
      ];
      expectOneError(await stack.run(...args), full);
      await makeRoom();
      expect(await stack.list()).toHaveLength(1);
      expect((await stack.run(...args)).out).toContain("Hello, xxx");
    });

    // with 36 kilobytes the database can be opened, and its log cannot grow
    test.each([0, 36])(
      "at an answer, with %i kB left: it was not accepted, and is given again later",
      async (leftKb) => {
        const id = await stack.start("asking", null);
        await fill(leftKb);
        const answered = await stack.run("executions", "input", id);
        expectOneError(answered, full);
        expect(answered.err).not.toContain("Answered");
        await makeRoom();
        expect(await stack.list()).toMatchObject([{ id, status: "waiting" }]);
        expect((await stack.run("executions", "input", id)).out).toBe("went\n");
      },
    );

    test("at an artifact that does not fit: the checkpoint has not succeeded, and runs when there is room", async () => {
      const ran = await stack.run("run", `${stack.flowsFile}:keeping`, "--input", "2000000");
      expectOneError(ran, full);
      const [found] = await stack.list();
      expect(["queued", "running"]).toContain(found?.status);
      expect(await leftovers()).toEqual([]);
      await makeRoom();
      const resumed = await stack.run("executions", "resume", found?.id ?? "");
      expect(resumed.out).toBe("kept\n");
      const got = await stack.run("artifacts", "list", found?.id ?? "");
      expect(got.out).toMatch(/film .* 2\.0 MB|film/);
    });

    test("at a deployment: no version is there to start, and the next one is whole", async () => {
      await stack.start("greeting", "you");
      await fill(4);
      const target = `${stack.flowsFile}:greeting`;
      expectOneError(await stack.run("deploy", target), full);
      expect((await stack.run("invoke", "greeting", "--input", '"me"')).code).toBe(1);
      await makeRoom();
      expect((await stack.run("deploy", target)).code).toBe(0);
      expect((await stack.run("invoke", "greeting", "--input", '"me"')).out).toMatch(/^queued/);
    });

    test("at the first use of a stack: no database is left, and the next use makes one", async () => {
      await fill(0);
      expectOneError(await stack.run("executions", "list"), full);
      expect(await leftovers()).toEqual([]);
      await makeRoom();
      expect((await stack.run("executions", "list")).out).toBe("No executions.\n");
    });

    test("at init: nothing is left behind, and what was there stays", async () => {
      await fill(0);
      const ran = await stack.run("init", ".kitaru/project");
      expectOneError(ran, /^error: \S+ cannot be written: ENOSPC/);
      expect(await leftovers()).toEqual([]);
      await makeRoom();
      expect((await stack.run("init", ".kitaru/project")).code).toBe(0);
      const flow = join(disk, "project", "flows", "hello.ts");
      await writeFile(flow, "// mine");
      await fill(0);
      expectOneError(await stack.run("init", ".kitaru/project", "--force"), /ENOSPC/);
      expect(execFileSync("cat", [flow], { encoding: "utf8" })).toBe("// mine");
    });
  },
);

function expectOneError(ran: { code: number; out: string; err: string }, says: RegExp): void {
  expect([ran.code, ran.out]).toEqual([1, ""]);
  expect(ran.err).toMatch(says);
  expect(ran.err.match(/error: /g)).toHaveLength(1);
  expect(ran.err).not.toMatch(/\n {2,}at /);
}

/** Take what is left of the disk but so many kilobytes. */
async function fill(leaveKb: number): Promise<void> {
  const [free] = execFileSync("df", ["--output=avail", "-k", disk], { encoding: "utf8" })
    .trim()
    .split("\n")
    .slice(-1);
  await writeFile(join(disk, "filler"), Buffer.alloc((Number(free) - leaveKb) * 1024));
}

async function makeRoom(): Promise<void> {
  await rm(join(disk, "filler"), { force: true });
  mount("remount,size=16m");
}

/** Files that are neither the database nor the filler. */
async function leftovers(): Promise<string[]> {
  const entries = await readdir(disk, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !/^(?:filler|kitaru\.db(?:-wal|-shm)?)$/.test(entry.name))
    .map((entry) => entry.name);
}

function mount(options: string): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk], { stdio: "ignore" });
}

function canMountHere(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"], { stdio: "ignore" });
    execFileSync("umount", ["/mnt"]);
    return true;
  } catch {
    return false;
  }
}
