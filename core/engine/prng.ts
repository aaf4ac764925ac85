import { sha256Hex } from "../hash.ts";

/** Deterministic generator, uniform in [0, 1): sfc32 seeded with the SHA-256 of `seed`. */
export function seededRandom(seed: string): () => number {
  const hash = sha256Hex(seed);
  const word = (index: number): number =>
    Number.parseInt(hash.slice(index * 8, index * 8 + 8), 16) | 0;
  let [a, b, c, d] = [word(0), word(1), word(2), word(3)];
  return () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
}

/** A version 4 UUID made of `random`. */
export function randomUuid(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16));
  hex[12] = "4";
  hex[16] = (8 + Math.floor(random() * 4)).toString(16);
  const text = hex.join("");
  return [
    text.slice(0, 8),
    text.slice(8, 12),
    text.slice(12, 16),
    text.slice(16, 20),
    text.slice(20),
  ].join("-");
}
