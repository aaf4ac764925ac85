/** Names of the methods of `T`, all of which answer with a promise. */
export type Methods<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: never[]) => Promise<unknown> ? true : never;
};

/** An object with the methods of another, which the first call of one of them loads. */
export function onDemand<T extends object>(methods: Methods<T>, load: () => Promise<T>): T {
  let loading: Promise<T> | undefined;
  const call = async (name: string, args: readonly unknown[]): Promise<unknown> => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    const loaded = await loading;
    const method = Reflect.get(loaded, name) as (...given: readonly unknown[]) => unknown;
    return Reflect.apply(method, loaded, args);
  };
  const calls = Object.keys(methods).map((name) => [
    name,
    (...args: readonly unknown[]) => call(name, args),
  ]);
  return Object.fromEntries(calls) as T;
}
