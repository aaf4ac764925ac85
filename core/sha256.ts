/** Longest text that {@link sha256} hashes, in characters. */
export const mostHashed = 512;

/**
 * SHA-256 of short ASCII text, as eight words in an array that the next call overwrites; undefined for any other text.
 * `node:crypto` takes longer to load than a program that hashes a few arguments takes to run.
 */
export function sha256(text: string): Int32Array | undefined {
  if (text.length > mostHashed) return undefined;
  state.set(initial);
  const blocks = blocksOf(text);
  for (let block = 0; block < blocks; block += 1) {
    if (!fill(text, block * 64)) return undefined;
    if (block === blocks - 1) words[15] = text.length * 8;
    compress();
  }
  return state;
}

/** Number of blocks of 64 bytes that are hashed of ASCII text, with what is put after it. */
export function blocksOf(text: string): number {
  return (text.length + 72) >> 6;
}

const initial = primeFractions(8, Math.sqrt);
const rounds = primeFractions(64, Math.cbrt);
const state = new Int32Array(8);
const words = new Int32Array(64);

/** Put 64 characters into the first 16 words, and after the last of the text a one and zeros. False when one is not ASCII. */
function fill(text: string, from: number): boolean {
  let all = 0;
  for (let word = 0; word < 16; word += 1) {
    let value = 0;
    for (let byte = 0; byte < 4; byte += 1) {
      const index = from + word * 4 + byte;
      const code = index < text.length ? text.charCodeAt(index) : index === text.length ? end : 0;
      if (code !== end) all |= code;
      value = (value << 8) | (code & 0xff);
    }
    words[word] = value;
  }
  return all < 0x80;
}

/** No character, but the one bit that follows the text. */
const end = 0x1_00_80;

function compress(): void {
  for (let i = 16; i < 64; i += 1) {
    const x = at(words, i - 15);
    const y = at(words, i - 2);
    const s0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
    const s1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
    words[i] = at(words, i - 16) + s0 + at(words, i - 7) + s1;
  }
  let [a, b, c, d] = [at(state, 0), at(state, 1), at(state, 2), at(state, 3)];
  let [e, f, g, h] = [at(state, 4), at(state, 5), at(state, 6), at(state, 7)];
  for (let i = 0; i < 64; i += 1) {
    const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const chosen = (e & f) ^ (~e & g);
    const t1 = (h + s1 + chosen + at(rounds, i) + at(words, i)) | 0;
    const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + s0 + majority) | 0;
  }
  add(0, a, b, c, d);
  add(4, e, f, g, h);
}

function add(from: number, a: number, b: number, c: number, d: number): void {
  state[from] = at(state, from) + a;
  state[from + 1] = at(state, from + 1) + b;
  state[from + 2] = at(state, from + 2) + c;
  state[from + 3] = at(state, from + 3) + d;
}

function at(array: Int32Array, index: number): number {
  return array[index] as number;
}

function turned(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** First 32 bits of the fractions of the roots of the first primes. */
function primeFractions(count: number, root: (prime: number) => number): Int32Array {
  const fractions: number[] = [];
  for (let n = 2; fractions.length < count; n += 1)
    if (isPrime(n)) fractions.push(((root(n) % 1) * 2 ** 32) | 0);
  return Int32Array.from(fractions);
}

function isPrime(n: number): boolean {
  for (let factor = 2; factor * factor <= n; factor += 1) if (n % factor === 0) return false;
  return true;
}
