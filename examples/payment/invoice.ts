import { z } from "zod";

/** An invoice whose account number and total can be right. */
export const invoiceSchema = z
  .object({
    number: z.string().min(1),
    supplier: z.string().min(1),
    iban: z.string().refine(isIban, "The check digits of the IBAN are wrong"),
    lines: z.array(z.object({ text: z.string(), cents: z.int() })).min(1),
    totalCents: z.int().positive(),
  })
  .refine(
    ({ lines, totalCents }) => lines.reduce((sum, { cents }) => sum + cents, 0) === totalCents,
    "The lines do not add up to the total",
  );

/** ISO 13616: with the first four characters at the end and letters as 10 to 35, the remainder by 97 is 1. */
function isIban(iban: string): boolean {
  const text = iban.replaceAll(" ", "");
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(text)) return false;
  const moved = text.slice(4) + text.slice(0, 4);
  const digits = moved.replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55));
  return BigInt(digits) % 97n === 1n;
}
