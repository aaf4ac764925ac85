/** One fenced block of a page. */
export interface Block {
  /** First word after the fence. */
  readonly language: string;
  /** The other words after the fence. */
  readonly words: readonly string[];
  readonly text: string;
  /** Line of the fence, from 1. */
  readonly line: number;
}

/** The fenced blocks of a Markdown text, in order. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const fence = /^```(\S*)([^\n]*)\n([^]*?)^```$/gm;
  for (const { 1: language = "", 2: words = "", 3: text = "", index } of markdown.matchAll(fence))
    blocks.push({
      language,
      words: words.split(" ").filter((word) => word !== ""),
      text,
      line: markdown.slice(0, index).split("\n").length,
    });
  return blocks;
}

/** Everything a page sets in code: its blocks, and what stands between single backticks. */
export function codeOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[^]*?^```$/gm, "");
  const inline = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
  return [...blocksOf(markdown).map(({ text }) => text), ...inline];
}

/** What a link may name of a page: its headings, as GitHub writes them. */
export function anchorsOf(markdown: string): string[] {
  const headings = markdown.replaceAll(/^```[^]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm);
  return Array.from(headings, ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** One command of a `console` block, and what it prints. */
export interface Step {
  readonly command: string;
  readonly output: string;
}

/** The commands of a `console` block: lines after `$ `, continued by a `\` at their end, each with what follows. */
export function stepsOf({ text, line }: Block): Step[] {
  const steps: Step[] = [];
  for (const part of text.split(/^\$ /m)) {
    if (part === "") continue;
    const command = /^(?:.*\\\n)*.*\n/.exec(part)?.[0] ?? "";
    steps.push({ command: command.trimEnd(), output: part.slice(command.length) });
  }
  if (steps.length === 0) throw new Error(`The console block of line ${line} has no command`);
  return steps;
}
