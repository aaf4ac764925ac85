/** How long a value is kept in memory, in milliseconds: a rotated secret is used within this time. */
const keptMs = 5 * 60_000;

/** Values of secrets, each read when it is first asked for and kept for five minutes. */
export class KeptSecrets {
  readonly #read: (name: string) => Promise<string | undefined>;
  readonly #now: () => number;
  readonly #kept = new Map<
    string,
    { readonly value: Promise<string | undefined>; readonly until: number }
  >();

  constructor(read: (name: string) => Promise<string | undefined>, now: () => number = Date.now) {
    this.#read = read;
    this.#now = now;
  }

  /** One that is not there, and a failure to read, are not kept. */
  get(name: string): Promise<string | undefined> {
    const kept = this.#kept.get(name);
    if (kept !== undefined && this.#now() < kept.until) return kept.value;
    const value = this.#read(name);
    this.#kept.set(name, { value, until: this.#now() + keptMs });
    const forget = (): void => void this.#kept.delete(name);
    value.then((found) => (found === undefined ? forget() : undefined), forget); // it may be put there any moment
    return value;
  }
}
