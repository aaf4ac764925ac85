/**
 * How records lie in Firestore; the infrastructure creates the indexes from this. All are documents of one collection,
 * listed by a field that repeats their names, because Firestore lists names in one direction only. Nothing else but the
 * fields of the indexes is indexed: what is not is neither limited to 1,500 bytes nor makes a write wait.
 */
export const documentShape = {
  collection: "records",
  /** The document's name. */
  key: "k",
  /** The record's text. */
  body: "b",
  /** Tells a write whose reply was lost from another's. */
  nonce: "n",
  /** When the database may delete the document: a timestamp, as a policy of time to live wants it. */
  expiry: "x",
  indexes: { flow: "f", due: "d" },
} as const;

/**
 * Name of a record's document within its collection. Names that follow one another are written by one server, so a hash of
 * the partition stands first and spreads the executions.
 */
export function documentId(partition: string, sort: string): string {
  return partitionStart(partition) + escaped(sort);
}

/** What the names of all documents of a partition begin with. */
export function partitionStart(partition: string): string {
  return `${hashOf(partition)}-${indexStart(partition)}`;
}

/** What the names of all documents of a partition are below. */
export function partitionEnd(partition: string): string {
  return `${hashOf(partition)}-${indexEnd(partition)}`;
}

/** A key of an index as one text in the same order. */
export function indexText(partition: string, sort: string): string {
  return indexStart(partition) + escaped(sort);
}

/** What all keys of a partition of an index begin with. */
export function indexStart(partition: string): string {
  return `${escaped(partition)}.-`;
}

/** What all keys of a partition of an index are below. */
export function indexEnd(partition: string): string {
  return `${escaped(partition)}..`;
}

/** The key a document is named after. */
export function recordKeyOf(id: string): { readonly partition: string; readonly sort: string } {
  const text = id.slice(id.indexOf("-") + 1);
  const end = text.indexOf(".-");
  return { partition: unescaped(text.slice(0, end)), sort: unescaped(text.slice(end + 2)) };
}

/** Names hold no slash. Two characters that follow one another stand for two others, so that the order stays. */
function escaped(text: string): string {
  return text.replaceAll(/[./]/g, (found) => (found === "." ? ".0" : ".1"));
}

function unescaped(text: string): string {
  return text.replaceAll(/\.[01]/g, (found) => (found === ".0" ? "." : "/"));
}

function hashOf(text: string): string {
  let hash = 2_166_136_261; // FNV-1a
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
