import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { agentFlow } from "../../examples/agent/flow.ts";
import { purchaseFlow, purchaseSchema } from "../../examples/approvals/flow.ts";
import { quoteFlow } from "../../examples/fallback/flow.ts";
import { ticketsFlow } from "../../examples/fan-out/flow.ts";
import { minutesFlow, remindersFlow } from "../../examples/hand-over/flow.ts";
import { paymentFlow } from "../../examples/payment/flow.ts";
import { reviewFlow } from "../../examples/review/flow.ts";
import { noticeFlow } from "../../examples/revise/flow.ts";
import { flow } from "../../core/index.ts";
import { crashEverywhere } from "../../testing/crash-everywhere.ts";

vi.hoisted(() => {
  for (const key of ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "KITARU_DEFAULT_MODEL"])
    delete process.env[key];
});

const example = (path: string): string =>
  fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kitaru-examples-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("review, approved and rejected", async () => {
  const input = { document: "Roofs leak. Two offers came in. One expires soon." };
  for (const approve_draft of [true, false]) {
    const { runs } = await crashEverywhere(reviewFlow, input, { answers: { approve_draft } });
    expect(runs).toBeGreaterThan(20);
  }
});

test("review, where everything but the journal itself is an object", async () => {
  const input = { document: "Roofs leak. Two offers came in. One expires soon." };
  const stack = { capabilities: { inlineBytes: 16 } };
  const answers = { approve_draft: true };
  const { writes } = await crashEverywhere(reviewFlow, input, { answers, stack });
  expect(writes).toBeGreaterThan(10);
});

test("approvals, in parallel and then one more", async () => {
  const purchase = purchaseSchema.parse(
    JSON.parse(await readFile(example("approvals/purchase.json"), "utf8")),
  );
  const answers = {
    legal_approval: true,
    finance_approval: { approved: true },
    director_approval: true,
  };
  const { runs } = await crashEverywhere(purchaseFlow, purchase, { answers });
  expect(runs).toBeGreaterThan(30);
});

test("fallback, with a service that fails", async () => {
  const server = createServer((_, response) => response.writeHead(503).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const input = { dollars: 10, currency: "EUR", url, file: example("fallback/rates.json") };
  const { runs } = await crashEverywhere(quoteFlow, input, { answers: { accept_quote: true } });
  await new Promise((resolve) => server.close(resolve));
  expect(runs).toBeGreaterThan(20);
});

test("revise, in three rounds", async () => {
  const answers = {
    "review_notice:0": { approved: false, feedback: "Shorter." },
    "review_notice:1": { approved: false, feedback: "Longer." },
    "review_notice:2": { approved: true },
  };
  const { runs } = await crashEverywhere(noticeFlow, { facts: "One. Two." }, { answers });
  expect(runs).toBeGreaterThan(40);
});

test("fan-out, with a file that fails", async () => {
  const { runs } = await crashEverywhere(ticketsFlow, { folder: example("fan-out/tickets") });
  expect(runs).toBeGreaterThan(10);
});

test("hand-over, both flows as children of one", async () => {
  const both = flow("hand_over_both", async ({ file }: { file: string }) => {
    await minutesFlow.call({ file });
    return remindersFlow.call({ meeting: "crash/minutes:0" });
  });
  const { runs } = await crashEverywhere(both, { file: example("hand-over/meeting.txt") });
  expect(runs).toBeGreaterThan(30);
});

test("payment: one transfer and at most one advice, wherever it is cut off", async () => {
  const [ledger, outbox] = [join(folder, "bank"), join(folder, "outbox.txt")];
  const input = { file: example("payment/invoice.json"), ledger, outbox };
  const answers = { approve_payment: true, advice_sent: true };
  const { runs, interrupted } = await crashEverywhere(paymentFlow, input, { answers });
  expect(interrupted).toBeGreaterThan(0);
  expect(await readdir(ledger)).toHaveLength(1);
  const advices = (await readFile(outbox, "utf8")).trimEnd().split("\n");
  expect(advices.length).toBeLessThanOrEqual(runs + 1);
});

test("agent, in the middle of its tool loop", async () => {
  const input = {
    question: "What does it cost to return a book late?",
    handbook: example("agent/handbook"),
    outbox: join(folder, "replies"),
  };
  const { runs } = await crashEverywhere(agentFlow, input, { answers: { approve_reply: true } });
  expect(runs).toBeGreaterThan(40);
  expect(await readdir(input.outbox)).toHaveLength(1);
});
