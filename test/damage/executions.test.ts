import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runs } from "./fixtures/flows.ts";
import { StackFolder } from "../stack-folder.ts";

let stack: StackFolder;
let id: string;
let before: string;
let after: string;

beforeEach(async () => {
  stack = await StackFolder.open(new URL("fixtures/flows.ts", import.meta.url));
  before = await stack.start("short", 1);
  id = await stack.start("long", 20);
  after = await stack.start("long", 1);
  runs.length = 0;
});
afterEach(() => stack.close());

interface Damage {
  readonly make: () => void | Promise<void>;
  readonly says: RegExp;
  /** A replay reads nothing of it. */
  readonly isBesideReplays?: boolean;
}

const lastSegment = (): string =>
  String(stack.documents(id).findLast(({ sort }) => String(sort).startsWith("j/"))?.["sort"]);
const withoutLine = (n: number) => (body: string) => body.split("\n").toSpliced(n, 1).join("\n");

const damages: Record<string, Damage> = {
  "a line of the journal that is no JSON": {
    make: () => stack.rewrite(id, "j/000001", (body) => body.replace(":", ";")),
    says: /line 1 of j\/000001: .*JSON[\s\S]* Restore the record from a backup/,
  },
  "a line of the journal that is cut off": {
    make: () => stack.rewrite(id, lastSegment(), (body) => body.slice(0, -5)),
    says: /line \d+ of j\/\d+: .*JSON/,
  },
  "an entry of an unknown kind": {
    make: () => stack.rewrite(id, "j/000001", (body) => body.replace(/"t":"\w+"/, `"t":"paid"`)),
    says: /line 1 of j\/000001 is an entry of the kind "paid", which this version of kitaru does not know\. Update/,
  },
  "a journal of a newer format": {
    make: () => stack.rewrite(id, "j/000000", (body) => body.replace(`"format":1`, `"format":9`)),
    says: /newer version of kitaru \(journal format 9, this version reads up to 1\)\. Update/,
  },
  "hashes of a newer version": {
    make: () => stack.rewrite(id, "j/000000", (body) => body.replace(`"hash":2`, `"hash":9`)),
    says: /newer version of kitaru \(hash format 9, this version reads up to 2\)\. Update/,
  },
  "a segment that is lost between others": {
    make: () => stack.remove(id, "j/000001"),
    says: /j\/000001 is missing\. Restore its records from a backup/,
  },
  "the last segment lost": {
    make: () => stack.remove(id, lastSegment()),
    says: /the head has counted \d+ entries, and \d+ are there\. Restore/,
  },
  "the first segment lost": {
    make: () => stack.remove(id, "j/000000"),
    says: /j\/000000 is missing/,
  },
  "a line lost within a segment": {
    make: () => stack.rewrite(id, lastSegment(), withoutLine(1)),
    says: /the head has counted \d+ entries, and \d+ are there/,
  },
  "lines lost at the end of a segment that others follow": {
    make: () => stack.rewrite(id, "j/000001", (body) => body.slice(0, body.indexOf("\n") + 1)),
    says: /j\/000001 ends too early/,
  },
  "an unreadable inbox": {
    make: () => stack.rewrite(id, "inbox", () => "garbage"),
    says: /The record exec\/\w+ inbox cannot be read: .* Restore it from a backup/,
    isBesideReplays: true,
  },
};

test.each(Object.keys(damages))(
  "%s: one clear error for everybody, nothing changed, no other hidden, restored it goes on",
  async (what) => {
    const { make, says, isBesideReplays = false } = damages[what] as Damage;
    const whole = stack.documents(id);
    await make();
    const damaged = stack.documents(id);
    await expectRefused(says, isBesideReplays ? everybody : [...everybody, "replay"]);
    expect(stack.documents(id)).toEqual(damaged);
    await expectListed({ status: "damaged", flow: "long", version: "local" }, says);
    stack.restore(id, whole);
    await expectCompletes();
  },
);

test.each(["garbage", `{"facts":{"id":"x"`, "{}"])(
  "a head that reads %s: one clear error, and it is listed beside the others, on pages of any size",
  async (text) => {
    const whole = stack.documents(id);
    const says = /The record exec\/\w+ head cannot be read: .* Restore it from a backup/;
    stack.rewrite(id, "head", () => text);
    const damaged = stack.documents(id);
    await expectRefused(says);
    expect(stack.documents(id)).toEqual(damaged);
    await expectListed({ status: "damaged", flow: "long", version: "unknown" }, says);
    await expectPages();
    stack.restore(id, whole);
    await expectCompletes();
  },
);

test("heads that cannot be read before, between and after others: each is listed once", async () => {
  const ids = [before, id, after];
  for (const one of ids) stack.rewrite(one, "head", () => "{");
  const last = await stack.start("short", 2);
  const items = await stack.list();
  expect(items.map((item) => item.id)).toEqual([last, ...ids.toReversed()]);
  await expectPages();
  expect((await stack.list("--flow", "long")).map((item) => item.id)).toEqual([after, id]);
});

test("a lost head: what is left of the execution is not taken for another's", async () => {
  const whole = stack.documents(id);
  stack.remove(id, "head");
  const says = /the head is missing\. Restore its records from a backup/;
  await expectRefused(says, everybody);
  expect((await stack.list()).map((item) => item.id)).toEqual([after, before]);
  stack.restore(id, whole);
  await expectCompletes();
});

const blobs: Record<string, [make: (path: string) => Promise<void>, says: RegExp]> = {
  missing: [(path) => rm(path), /it is missing from the blob store/],
  "of another length": [(path) => writeFile(path, "7"), /its content does not match its hash/],
  "of other content": [
    (path) => writeFile(path, "8".repeat(20_000)),
    /its content does not match its hash/,
  ],
};

test.each(Object.keys(blobs))(
  "a blob that is %s: the execution rests where it was, restored it goes on",
  async (what) => {
    const [make, says] = blobs[what] as (typeof blobs)[string];
    const path = await onlyBlob();
    const bytes = await readFile(path);
    await make(path);
    const refused = await stack.run("executions", "input", id);
    expect([refused.code, refused.out]).toEqual([1, ""]);
    expect(refused.err).toContain("Answered go:0\n");
    expect(refused.err).toMatch(new RegExp(`error: Execution ${id}: The stored value blobs/`));
    expect(refused.err).toMatch(says);
    expect((await stack.list()).map((item) => item.status)).not.toContain("failed");
    await writeFile(path, bytes);
    const resumed = await stack.run("executions", "resume", id);
    expect(resumed.out).toBe("190 20000 20\n");
    expect(runs).toEqual([20]);
  },
);

const everybody: readonly string[] = ["get", "logs", "input", "cancel", "retry", "resume"];

/** Whoever reads or says something gets the same error, and the exit code says so too. */
async function expectRefused(
  says: RegExp,
  commands: readonly string[] = [...everybody, "replay"],
): Promise<void> {
  for (const command of commands) {
    const ran = await stack.run("executions", command, id);
    expect([command, ran.code, ran.out]).toEqual([command, 1, ""]);
    expect(ran.err).toMatch(says);
    expect(ran.err).toContain(id);
    expect(ran.err.match(/error: /g)).toHaveLength(1);
  }
  expect(runs).toEqual([]);
}

async function expectListed(item: object, says: RegExp): Promise<void> {
  const items = await stack.list();
  expect(items.map((one) => one.id)).toEqual([after, id, before]);
  expect(items).toMatchObject([
    { status: "waiting" },
    { ...item, error: { code: "corrupt", message: expect.stringMatching(says) as string } },
    { status: "completed" },
  ]);
  expect((await stack.list("--status", "damaged")).map((one) => one.id)).toEqual([id]);
  expect((await stack.list("--status", "waiting")).map((one) => one.id)).toEqual([after]);
  const shown = await stack.run("executions", "list");
  expect(shown.out).toMatch(new RegExp(`${id} .* damaged .*KitaruBackendError`));
}

/** Pages of one execution, each continued from the last item of the one before, hide none and repeat none. */
async function expectPages(): Promise<void> {
  const all = (await stack.list()).map((item) => item.id);
  const paged: string[] = [];
  for (let cursor: readonly string[] = []; ;) {
    const page = await stack.list("--limit", "1", ...cursor);
    paged.push(...page.map((item) => item.id));
    const last = page.at(-1);
    if (last === undefined) break;
    cursor = ["--cursor", last.cursor];
  }
  expect(paged).toEqual(all);
}

async function expectCompletes(): Promise<void> {
  const answered = await stack.run("executions", "input", id);
  expect([answered.code, answered.out]).toEqual([0, "190 20000 20\n"]);
  expect(runs).toEqual([20]);
}

async function onlyBlob(): Promise<string> {
  const [name, ...others] = await readdir(stack.blobs);
  expect(others).toEqual([]);
  return join(stack.blobs, name ?? "");
}
