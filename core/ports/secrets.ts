/** Secrets by name. An implementation never logs or caches a value beyond its stated expiry. */
export interface SecretStore {
  /** The secret's text: a bare key, or a JSON object of environment-style names to values. */
  get(name: string): Promise<string | undefined>;
  /** Names that can be read, never values. */
  list(): Promise<readonly string[]>;
  /** Where a missing secret should be put, for error messages: `the .env file in /app`. */
  readonly location: string;
}
