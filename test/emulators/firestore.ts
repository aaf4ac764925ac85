import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Emulator, startServer } from "./server.ts";

/** Where the Google Cloud SDK puts Google's own emulator. */
const jar =
  process.env["FIRESTORE_EMULATOR_JAR"] ??
  "/usr/lib/google-cloud-sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar";

/** Why Google's Firestore emulator cannot run here; undefined when it can. */
export const noFirestore: string | undefined = missing();

/** Start Google's Firestore emulator, in memory. Databases are made as they are named. */
export function startFirestore(): Promise<Emulator> {
  return startServer({
    program: "java",
    args: (port) => [
      "-Duser.language=en",
      "-Xmx512m",
      "-cp",
      jar,
      "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
      "--host=127.0.0.1",
      `--port=${port}`,
    ],
  });
}

function missing(): string | undefined {
  if (!existsSync(jar))
    return `there is no ${jar} (gcloud components install cloud-firestore-emulator)`;
  try {
    execFileSync("java", ["-version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "there is no Java";
  }
}
