// A failure that is caught. The failed call is recorded like any other: when the flow runs again after the wait, days
// later and in another process, the same error is thrown at the same place and the same branch is taken, even if the
// service has come back meanwhile.
import { readFile } from "node:fs/promises";
import { checkpoint, checkpointContext, flow, log, wait } from "kitaru";
import { z } from "zod";

const rates = z.object({ date: z.string(), rates: z.record(z.string(), z.number()) });

const liveRates = checkpoint(
  "live_rates",
  { retries: { attempts: 1, initialDelay: "200ms" }, timeout: "3s" },
  async (url: string) => {
    const response = await fetch(url, { signal: checkpointContext().signal });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    return rates.parse(await response.json());
  },
);

const savedRates = checkpoint("saved_rates", async (file: string) =>
  rates.parse(JSON.parse(await readFile(file, "utf8"))),
);

export const acceptQuote = wait("accept_quote", { schema: z.boolean() });

interface QuoteInput {
  readonly dollars: number;
  readonly currency: string;
  readonly url: string;
  /** Rates to use when `url` has none. */
  readonly file: string;
}

export const quoteFlow = flow("quote", async ({ dollars, currency, url, file }: QuoteInput) => {
  const { date, rate, isLive } = await rateOf(currency, url, file);
  const amount = Math.round(dollars * rate * 100) / 100;
  const note = isLive ? `rate of ${date}` : `saved rate of ${date}, the service did not answer`;
  const question = `Accept ${amount} ${currency} for ${dollars} USD (${note})?`;
  return { amount, currency, date, isLive, accepted: await acceptQuote({ question }) };
});

async function rateOf(currency: string, url: string, file: string) {
  const { table, isLive } = await ratesOf(url, file);
  const rate = table.rates[currency];
  if (rate === undefined) throw new Error(`There is no rate for ${currency} on ${table.date}.`);
  return { date: table.date, rate, isLive };
}

async function ratesOf(url: string, file: string) {
  try {
    return { table: await liveRates(url), isLive: true };
  } catch (error) {
    log({ fallback: file, because: String(error) });
    return { table: await savedRates(file), isLive: false };
  }
}
