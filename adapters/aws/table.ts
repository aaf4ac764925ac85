/** The table as its adapter expects it; the infrastructure and the tests create it from this. */
export const tableShape = {
  partitionKey: "p",
  sortKey: "s",
  /** Epoch seconds after which an item may be deleted. */
  expiryAttribute: "ttl",
  indexes: {
    flow: { name: "flow", partition: "fp", sort: "fs" },
    due: { name: "due", partition: "dp", sort: "ds" },
  },
} as const;
