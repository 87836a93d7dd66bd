/** The command was called wrongly: its message is for the person who typed it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "PIDENTITY_USAGE";
}
