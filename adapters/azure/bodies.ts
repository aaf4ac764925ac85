/** Most bytes of one property. */
const propertyBytes = 64 * 1024;

/**
 * Largest body of a record: ten properties. A row has at most 1 MiB, keys, names and index places included; the emulator counts
 * bytes as the base64 they are sent in
 * (https://learn.microsoft.com/azure/storage/tables/scalability-targets).
 */
export const largestBody: number = 10 * propertyBytes;

/** A body as properties `b0`, `b1`, … of at most 64 KiB; an empty one has none. */
export function bodyProperties(body: string): Readonly<Record<string, Uint8Array>> {
  const bytes = Buffer.from(body);
  const properties: Record<string, Uint8Array> = {};
  for (let at = 0; at < bytes.byteLength; at += propertyBytes)
    properties[`b${at / propertyBytes}`] = bytes.subarray(at, at + propertyBytes);
  return properties;
}

/** The body of {@link bodyProperties}. */
export function bodyOf(properties: Readonly<Record<string, unknown>>): string {
  const parts: Uint8Array[] = [];
  for (let part; (part = properties[`b${parts.length}`]) instanceof Uint8Array;) parts.push(part);
  return Buffer.concat(parts).toString();
}
