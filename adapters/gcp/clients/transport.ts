import type { Transport } from "../sdk.ts";
import type { Service } from "./config.ts";
import type { Rest } from "./rest.ts";

/**
 * What a client of Google's sends its requests through here: with the credentials, to the endpoint, and with the tries of
 * every other request of this package. Its own tries would end with "exceeded maximum number of retries" in the place of
 * what the service said, and do not wait as long as the service asks. Rejections are {@link GoogleError}s.
 */
export function transportOf(rest: Rest, service: Service): Transport {
  return {
    getRequestHeaders: async () => new Headers(), // `fetch` adds them
    fetch: async (url, { method = "GET", headers, body } = {}) => {
      const { pathname, search } = new URL(url);
      const reply = await rest.send({
        service,
        path: pathname + search,
        method,
        headers: Object.fromEntries(new Headers(headers)),
        ...(typeof body === "string" ? { body: new TextEncoder().encode(body) } : {}),
      });
      return new Response(new Uint8Array(reply.bytes), { status: reply.status });
    },
  };
}
