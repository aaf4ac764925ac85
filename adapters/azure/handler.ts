import { explainMissingFunctions } from "./sdk.ts";

// Those functions import packages that only an app has; what is missing can be named with its command only where they are
// imported on demand. The app that is deployed has its functions bundled, and does not come by here.
const functions = await import("./handler-functions.ts").catch((error: unknown) => {
  throw explainMissingFunctions(error);
});

/**
 * Define the functions of a runtime's app: the orchestrations, the activities that do the work, the sweep, and what reads the
 * queue. Call it before the app has started; importing this throws a usage error when the app's packages are not installed.
 */
export const registerFunctions: () => void = functions.registerFunctions;
