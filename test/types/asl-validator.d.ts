declare module "asl-validator" {
  /** Check a state machine against the language's schema, its paths and its JSONata. */
  export default function validate(definition: unknown): {
    readonly isValid: boolean;
    readonly errors: readonly unknown[];
  };
}
