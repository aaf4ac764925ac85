import { KitaruBackendError } from "../../../core/errors.ts";
import { codeOf, serviceError } from "../failure.ts";
import { type AzureClientOptions, type Endpoints, credentialOf } from "./config.ts";
import { type RetryRule, repeated } from "./retry.ts";

/** The part of a function app's management this package uses. */
export interface AppPublisher {
  /** Have the app run a package; resolves once it does. */
  publish(archive: Uint8Array): Promise<void>;
}

interface PublisherTimes {
  /** Pause between two looks at a deployment. */
  readonly pauseMs?: number;
  /** Longest time a deployment may take. */
  readonly longestMs?: number;
}

/** Four tries of two minutes: a package is a few MB, and publishing the same again changes nothing. */
const rule: RetryRule = { tries: 4, tryMs: 120_000 };

const scope = "https://management.azure.com/.default";
/** Statuses of a deployment (https://github.com/projectkudu/kudu/wiki/Deployment-states). */
const failed = 3;
const succeeded = 4;

/** Open the publishing interface of a function app, which takes a token of the publisher's own. */
export async function openPublisher(
  options: AzureClientOptions,
  { publish: url }: Endpoints,
  { pauseMs = 2000, longestMs = 5 * 60_000 }: PublisherTimes = {},
): Promise<AppPublisher> {
  const credential = await credentialOf(options);
  const what = "The function app could not be brought up to date";
  const request = async (path: string, archive?: Uint8Array): Promise<Response> => {
    const token = await credential.getToken(scope);
    const authorization = `Bearer ${token?.token ?? ""}`;
    const init =
      archive === undefined
        ? { headers: { authorization } }
        : {
            method: "POST",
            headers: { authorization, "content-type": "application/zip" },
            body: new Uint8Array(archive),
          };
    return repeated(rule, async ({ signal }) => {
      const response = await fetch(`${url}${path}`, { ...init, signal });
      if (response.ok) return response;
      throw Object.assign(new Error(excerpt(await response.text())), {
        statusCode: response.status,
        response: { headers: response.headers },
      });
    });
  };
  return {
    publish: async (archive) => {
      try {
        const taken = await request("/api/publish?RemoteBuild=false&Deployer=kitaru", archive);
        const deployment = `/api/deployments/${idIn(await taken.text())}`;
        for (const until = Date.now() + longestMs; ;) {
          const status = statusIn(await (await request(deployment)).json());
          if (status.status === succeeded) return;
          if (status.status === failed)
            throw new Error(`the app refused the package: ${excerpt(status.text ?? "")}`);
          if (Date.now() > until) throw new Error(`it has not finished in ${longestMs / 1000} s`);
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        }
      } catch (error) {
        throw explained(error, what);
      }
    },
  };
}

function explained(error: unknown, what: string): Error {
  const message = error instanceof Error ? error.message : "";
  if (/BlobUploadFailed/.test(message))
    return new KitaruBackendError(
      `${what}: the app may not write its package into the storage account yet. A new role takes a few minutes to count; deploy again then.`,
      { cause: error },
    );
  if (codeOf(error) === "ENOTFOUND")
    return new KitaruBackendError(
      `${what}: there is none of that name. Create the runtime with the template of kitaru/infra/azure, or correct \`name\` in kitaru.config.ts.`,
      { cause: error },
    );
  return serviceError(error, { what });
}

/** The id of a deployment, which is a JSON text; of the newest, where the app says none. */
function idIn(text: string): string {
  return /^"?([\w-]{8,64})"?\s*$/.exec(text)?.[1] ?? "latest";
}

function statusIn(value: unknown): { readonly status?: number; readonly text?: string } {
  const { status, status_text: text } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return {
    ...(typeof status === "number" ? { status } : {}),
    ...(typeof text === "string" ? { text } : {}),
  };
}

function excerpt(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 300);
}
