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
export const pricesRegion = "East US";

/** What a runtime is charged for. */
export type Priced = "invocation" | "compute" | "table" | "queue" | "blob";

/** List prices, without free grants and discounts. */
export const prices: Readonly<Record<Priced, Price>> = {
  invocation: {
    item: "Functions executions (Flex Consumption)",
    unit: "execution",
    dollars: 0.4 / 1e6,
    source: "https://azure.microsoft.com/pricing/details/functions/",
  },
  compute: {
    item: "Functions compute (Flex Consumption)",
    unit: "GB-second",
    dollars: 0.000_026,
    source: "https://azure.microsoft.com/pricing/details/functions/",
  },
  table: {
    item: "Table Storage",
    unit: "transaction",
    dollars: 0.036 / 1e6,
    source: "https://azure.microsoft.com/pricing/details/storage/tables/",
  },
  queue: {
    item: "Queue Storage",
    unit: "operation",
    dollars: 0.4 / 1e6,
    source: "https://azure.microsoft.com/pricing/details/storage/queues/",
  },
  blob: {
    item: "Blob Storage writes",
    unit: "write operation",
    dollars: 5.5 / 1e6,
    source: "https://azure.microsoft.com/pricing/details/storage/blobs/",
  },
};
