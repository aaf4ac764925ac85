import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { purchaseSchema } from "../../examples/approvals/flow.ts";

/** One run of an example: its input, and the answers to its waits by call. */
export interface Scenario {
  readonly title: string;
  /** Module that defines the flow. */
  readonly entry: URL;
  readonly flow: string;
  readonly input: unknown;
  readonly answers?: Readonly<Record<string, unknown>>;
  /** Folder it writes to, which every run is to find empty. */
  readonly writes?: string;
  /** Executions that come before it, whose ids it names. */
  readonly before?: readonly Scenario[];
  /** Id of its execution, where another names it. */
  readonly id?: string;
}

const file = (path: string): string =>
  fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
const entry = (example: string): URL =>
  new URL(`../../examples/${example}/flow.ts`, import.meta.url);

/** What is written to while the examples run. */
export const written = mkdtempSync(join(tmpdir(), "kitaru-parity-"));

const minutes: Scenario = {
  title: "hand-over, the first flow",
  entry: entry("hand-over"),
  flow: "minutes",
  id: "meeting-1",
  input: { file: file("hand-over/meeting.txt") },
};

/** Every example, with real input. */
export const scenarios: readonly Scenario[] = [
  {
    title: "review, approved",
    entry: entry("review"),
    flow: "review_flow",
    input: { document: readFileSync(file("review/document.txt"), "utf8") },
    answers: { "approve_draft:0": true },
  },
  {
    title: "review, rejected",
    entry: entry("review"),
    flow: "review_flow",
    input: { document: "Roofs leak. Two offers came in." },
    answers: { "approve_draft:0": false },
  },
  {
    title: "approvals, in parallel and then one more",
    entry: entry("approvals"),
    flow: "purchase",
    input: purchaseSchema.parse(JSON.parse(readFileSync(file("approvals/purchase.json"), "utf8"))),
    answers: {
      "legal_approval:0": true,
      "finance_approval:0": { approved: true },
      "director_approval:0": true,
    },
  },
  {
    title: "fallback, with a service that is not there",
    entry: entry("fallback"),
    flow: "quote",
    input: {
      dollars: 10,
      currency: "EUR",
      url: "http://127.0.0.1:9",
      file: file("fallback/rates.json"),
    },
    answers: { "accept_quote:0": true },
  },
  {
    title: "revise, in three rounds",
    entry: entry("revise"),
    flow: "notice",
    input: { facts: "One. Two." },
    answers: {
      "review_notice:0": { approved: false, feedback: "Shorter." },
      "review_notice:1": { approved: false, feedback: "Longer." },
      "review_notice:2": { approved: true },
    },
  },
  {
    title: "fan-out over a folder",
    entry: entry("fan-out"),
    flow: "tickets",
    input: { folder: file("fan-out/tickets") },
  },
  {
    title: "hand-over, what one flow saved is loaded by another",
    entry: entry("hand-over"),
    flow: "reminders",
    input: { meeting: "meeting-1" },
    before: [minutes],
  },
  {
    title: "payment, approved",
    entry: entry("payment"),
    flow: "payment",
    input: {
      file: file("payment/invoice.json"),
      ledger: join(written, "payment", "bank"),
      outbox: join(written, "payment", "outbox.txt"),
    },
    writes: join(written, "payment"),
    answers: { "approve_payment:0": true },
  },
  {
    title: "agent, a tool loop with an approval",
    entry: entry("agent"),
    flow: "agent",
    input: {
      question: "What does it cost to return a book late?",
      handbook: file("agent/handbook"),
      outbox: join(written, "agent", "replies"),
    },
    writes: join(written, "agent"),
    answers: { "approve_reply:0": true },
  },
];
