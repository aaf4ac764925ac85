/** Options of {@link BlobStore.put}. */
export interface BlobPutOptions {
  /** MIME type, so that a person who opens the bucket sees readable content. */
  readonly contentType: string;
  /** Skip the write when the key exists (keys are content hashes, so what exists is the same). */
  readonly ifAbsent?: boolean;
}

/** Bytes by key in the user's own bucket or folder. */
export interface BlobStore {
  /**
   * Resolves once the bytes are durable; they are the caller's again then. A concurrent reader sees all of them or
   * nothing.
   */
  put(key: string, bytes: Uint8Array, options: BlobPutOptions): Promise<void>;
  /** The bytes are the caller's own. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Keys that start with `prefix`, in order, one page. */
  list(params: {
    readonly prefix: string;
    readonly cursor?: string;
    readonly limit?: number;
  }): Promise<{ readonly keys: readonly string[]; readonly cursor?: string }>;
}
