/** List price of one unit, in US dollars, and the page that says so. */
interface Price {
  readonly item: string;
  readonly unit: string;
  readonly dollars: number;
  readonly source: string;
}

/** Day on which the prices were looked up. */
export const pricesOf = "2026-11-22";
/** Region whose prices these are. */
export const pricesRegion = "us-central1";

/** What a runtime is charged for. */
export type Priced =
  | "internalStep"
  | "externalStep"
  | "request"
  | "cpu"
  | "memory"
  | "write"
  | "read"
  | "object";

/** List prices, without free tiers and discounts. */
export const prices: Readonly<Record<Priced, Price>> = {
  internalStep: {
    item: "Workflows, internal steps",
    unit: "step",
    dollars: 0.01 / 1000,
    source: "https://cloud.google.com/workflows/pricing",
  },
  externalStep: {
    item: "Workflows, external steps",
    unit: "step",
    dollars: 0.025 / 1000,
    source: "https://cloud.google.com/workflows/pricing",
  },
  request: {
    item: "Cloud Run requests",
    unit: "request",
    dollars: 0.4 / 1e6,
    source: "https://cloud.google.com/run/pricing",
  },
  cpu: {
    item: "Cloud Run CPU",
    unit: "vCPU-second",
    dollars: 0.000_024,
    source: "https://cloud.google.com/run/pricing",
  },
  memory: {
    item: "Cloud Run memory",
    unit: "GiB-second",
    dollars: 0.000_002_5,
    source: "https://cloud.google.com/run/pricing",
  },
  write: {
    item: "Firestore writes",
    unit: "document",
    dollars: 0.9 / 1e6,
    source: "https://cloud.google.com/firestore/pricing",
  },
  read: {
    item: "Firestore reads",
    unit: "document",
    dollars: 0.3 / 1e6,
    source: "https://cloud.google.com/firestore/pricing",
  },
  object: {
    item: "Cloud Storage writes",
    unit: "class A operation",
    dollars: 5 / 1e6,
    source: "https://cloud.google.com/storage/pricing",
  },
};
