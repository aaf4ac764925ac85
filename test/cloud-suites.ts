/** The suites that start the emulators of a cloud: a dozen processes each, which must not compete with one another. */
export const cloudSuites = "test/{aws,azure,export,faults,gcp,parity}/**/*.test.ts";
