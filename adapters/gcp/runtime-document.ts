import { KitaruStateError } from "../../core/errors.ts";

/** What a runtime consists of, as its infrastructure writes it down and everything else finds it. */
export interface RuntimeDocument {
  readonly format: 1;
  readonly project: string;
  readonly region: string;
  /** Id of the Firestore database. */
  readonly database: string;
  readonly bucket: string;
  /** E-mail address of the service account the workflows run as. */
  readonly workflowAccount: string;
  /** URLs of the functions; each is also the audience of the identity tokens sent to it. */
  readonly advance: string;
  readonly sweep: string;
  readonly api: string;
  /** Functions for isolated checkpoints, smallest first. */
  readonly tasks: readonly TaskFunction[];
}

/** A function that runs isolated checkpoints. */
export interface TaskFunction {
  readonly size: string;
  readonly url: string;
  readonly memoryMb: number;
  /** For files, which lie in memory too: on top of `memoryMb`. */
  readonly storageMb: number;
  /** At most 1,800,000: a workflow waits for a reply for half an hour. */
  readonly timeoutMs: number;
}

/** Key of the object that is the document. */
export const documentKey = "runtime.json";

/** Name of the bucket a runtime keeps its data in: bucket names are shared by the whole world, so it begins with the project. */
export function bucketName(project: string, stack: string): string {
  return `${project}-kitaru-${stack}`;
}

/** Name of the bucket with the document of a runtime and the source of its functions, which may not touch it. */
export function runtimeBucketName(project: string, stack: string): string {
  return `${bucketName(project, stack)}-runtime`;
}

/** Read the document of the runtime `name`. Throws a state error when another version of the package has written it. */
export function parseDocument(name: string, text: string): RuntimeDocument {
  const document: unknown = JSON.parse(text);
  if (
    typeof document === "object" &&
    document !== null &&
    "format" in document &&
    document.format === 1
  )
    return document as RuntimeDocument;
  throw new KitaruStateError(
    `The runtime "${name}" was created by another version of kitaru/infra/gcp. Use the same version here, or write the infrastructure anew with this one and apply it.`,
  );
}
