import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { KitaruUsageError, messageOf } from "../core/errors.ts";
import { makeFolder } from "../core/make-folder.ts";

/** Write a file, and the folders it lies in: all of it or, on a disk that is full, nothing. */
export async function writeWhole(file: string, content: string): Promise<void> {
  const draft = `${file}.${process.pid}.new`;
  try {
    makeFolder(dirname(file));
    await writeFile(draft, content);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw new KitaruUsageError(`${file} cannot be written: ${messageOf(error)}.`, { cause: error });
  }
}

/** Write several files: all of them or, when one cannot be written, none that was not there before. */
export async function writeTogether(
  files: readonly (readonly [file: string, content: string])[],
): Promise<void> {
  const made: string[] = [];
  try {
    for (const [file, content] of files) {
      const isNew = (await readFile(file).catch(() => undefined)) === undefined;
      await writeWhole(file, content);
      if (isNew) made.push(file);
    }
  } catch (error) {
    await Promise.all(made.map((file) => rm(file, { force: true }).catch(() => undefined)));
    throw error;
  }
}
