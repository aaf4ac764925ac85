/** List price of one unit, in US dollars, and the page that says so. */
export interface Price {
  readonly item: string;
  readonly unit: string;
  readonly dollars: number;
  readonly source: string;
}

/** Day on which the prices were looked up. */
export const pricesOf = "2026-11-22";
/** Region whose prices these are. */
export const pricesRegion = "us-east-1";

/** What a runtime is charged for. */
export type Priced = "transition" | "invocation" | "compute" | "write" | "read" | "object";

/** List prices, without free tiers and discounts. */
export const prices: Readonly<Record<Priced, Price>> = {
  transition: {
    item: "Step Functions",
    unit: "state transition",
    dollars: 0.025 / 1000,
    source: "https://aws.amazon.com/step-functions/pricing/",
  },
  invocation: {
    item: "Lambda requests",
    unit: "request",
    dollars: 0.2 / 1e6,
    source: "https://aws.amazon.com/lambda/pricing/",
  },
  compute: {
    item: "Lambda compute (Arm)",
    unit: "GB-second",
    dollars: 0.000_013_333_4,
    source: "https://aws.amazon.com/lambda/pricing/",
  },
  write: {
    item: "DynamoDB writes",
    unit: "write unit of 1 KB",
    dollars: 0.625 / 1e6,
    source: "https://aws.amazon.com/dynamodb/pricing/on-demand/",
  },
  read: {
    item: "DynamoDB reads",
    unit: "read unit of 4 KB",
    dollars: 0.125 / 1e6,
    source: "https://aws.amazon.com/dynamodb/pricing/on-demand/",
  },
  object: {
    item: "S3 writes",
    unit: "PUT",
    dollars: 5 / 1e6,
    source: "https://aws.amazon.com/s3/pricing/",
  },
};
