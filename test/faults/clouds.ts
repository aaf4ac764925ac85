import type { CloudName } from "../stacks/stacks.ts";
import { awsUnderFaults } from "./aws.ts";
import { azureUnderFaults } from "./azure.ts";
import type { CloudUnderFaults } from "./faults.ts";
import { gcpUnderFaults } from "./gcp.ts";

/** Every cloud of the package. */
export const clouds: Readonly<Record<CloudName, CloudUnderFaults>> = {
  aws: awsUnderFaults,
  azure: azureUnderFaults,
  gcp: gcpUnderFaults,
};
