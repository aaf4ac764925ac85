import { statSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

/** The files of the user's own that this process loads from now on, and when they were last written. */
export class LoadedFiles {
  readonly #writtenAt = new Map<string, number>();
  readonly #hooks: ReturnType<typeof registerHooks>;

  constructor() {
    this.#hooks = registerHooks({
      load: (url, context, next) => {
        if (isOwn(url)) this.#note(fileURLToPath(url));
        return next(url, context);
      },
    });
  }

  /** Those that have been written or removed since; each change is told once. */
  changed(): string[] {
    const files: string[] = [];
    for (const [file, before] of this.#writtenAt) {
      const now = writtenAt(file);
      if (now === before) continue;
      this.#writtenAt.set(file, now);
      files.push(file);
    }
    return files;
  }

  /** Note no further file. */
  close(): void {
    this.#hooks.deregister();
  }

  #note(file: string): void {
    this.#writtenAt.set(file, writtenAt(file));
  }
}

function isOwn(url: string): boolean {
  return url.startsWith("file:") && !url.includes("/node_modules/");
}

function writtenAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
