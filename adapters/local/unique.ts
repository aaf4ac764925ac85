/** Text that no other process and no later call makes: 104 random bits. Guessable, so no secret; spares loading `node:crypto`. */
export function uniqueText(): string {
  return Math.random().toString(36).slice(2) + Math.random().toString(36).slice(2);
}
