/** How to reach a service; everything absent comes from the environment, as in any AWS program. */
export interface AwsClientOptions {
  /** @default AWS_REGION, or the profile's */
  readonly region?: string;
  /** Base URL of another endpoint, such as an emulator's. */
  readonly endpoint?: string;
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

/** Tries of one request, the first included. */
interface Attempts {
  readonly maxAttempts: number;
}

/**
 * Retries by the SDK: its `standard` mode, exponential delays with full jitter of at most 20 s, on throttling, on 5xx and on
 * broken connections. Every request this package repeats is conditional or writes content under its own hash, so a
 * repetition after a lost reply is recognised or harmless.
 */
export function clientConfig(
  options: AwsClientOptions,
  { maxAttempts }: Attempts,
): AwsClientOptions & {
  readonly maxAttempts: number;
  readonly retryMode: "standard";
  readonly requestHandler: {
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
    readonly throwOnRequestTimeout: boolean;
  };
} {
  const { region, endpoint, credentials } = options;
  return {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    maxAttempts,
    retryMode: "standard",
    requestHandler: {
      connectionTimeout: 2000,
      requestTimeout: 10_000,
      throwOnRequestTimeout: true,
    },
  };
}
