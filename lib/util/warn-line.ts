/** Where the package tells what nobody is there to be told by an error. */
export type WarnLine = (line: string) => void;

/** Standard error, one line each. */
export const warnOnStderr: WarnLine = (line) => {
  process.stderr.write(`${line}\n`);
};
