import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestStack, testStack } from "kitaru/testing";
import { acceptQuote, quoteFlow } from "./flow.ts";

let stack: TestStack;
let server: Server;
let url = "";
let requests = 0;
let status = 200;
const file = fileURLToPath(new URL("rates.json", import.meta.url));

beforeEach(async () => {
  stack = await testStack({ config: {} });
  requests = 0;
  server = createServer((_, response) => {
    requests += 1;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ date: "2025-03-03", rates: { EUR: 0.5 } }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await stack.close();
  await new Promise((resolve) => server.close(resolve));
});

test("live rates are used while the service answers", async () => {
  status = 200;
  const input = { dollars: 100, currency: "EUR", url, file };
  const quote = await stack.run(quoteFlow, input, { answers: { accept_quote: true } });
  expect(quote).toMatchObject({ amount: 50, date: "2025-03-03", isLive: true, accepted: true });
  expect(requests).toBe(1);
});

test("saved rates are used after a failure, and still when the service is back at the next re-run", async () => {
  status = 503;
  const handle = quoteFlow.run({ dollars: 100, currency: "EUR", url, file });
  await handle.started;
  await expect.poll(() => stack.waiting(handle.id)).toMatchObject([{ callId: "accept_quote:0" }]);
  expect(requests).toBe(2);

  status = 200;
  await stack.crash();
  await acceptQuote.answer(handle.id, false);
  expect(await stack.finish(handle)).toMatchObject({
    amount: 96.22,
    date: "2025-01-31",
    isLive: false,
    accepted: false,
  });
  expect(requests).toBe(2);
  const { calls } = await stack.client.executions.get(handle.id);
  expect(calls[0]).toMatchObject({ id: "live_rates:0", status: "failed" });
  expect(calls[0]?.error?.message).toBe(`${url} answered 503`);
});

test("a currency nobody has a rate for fails the execution", async () => {
  status = 200;
  const run = stack.run(quoteFlow, { dollars: 1, currency: "XXX", url, file });
  await expect(run).rejects.toThrow("There is no rate for XXX on 2025-03-03.");
});
