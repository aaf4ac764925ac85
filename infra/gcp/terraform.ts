/** A value of Terraform's JSON syntax. */
export type TerraformValue =
  | string
  | number
  | boolean
  | readonly TerraformValue[]
  | { readonly [key: string]: TerraformValue };

/** Blocks of one kind, by type and name. */
export type Blocks = Readonly<Record<string, Readonly<Record<string, TerraformBlock>>>>;

/** Body of a block. */
export type TerraformBlock = Readonly<Record<string, TerraformValue>>;

/** A configuration in Terraform's JSON syntax (https://developer.hashicorp.com/terraform/language/syntax/json). */
export interface TerraformConfig {
  readonly terraform: TerraformBlock;
  readonly provider: Readonly<Record<string, TerraformBlock>>;
  readonly data: Blocks;
  readonly resource: Blocks;
  readonly output: Readonly<Record<string, TerraformBlock>>;
}
