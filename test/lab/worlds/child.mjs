// Child processes that are asked line by line.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const children = new Set();

/** Starts a command; `line()` gives its next line, or rejects when it ends first. */
export function start([file, ...args], { env = process.env } = {}) {
  const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  children.add(child);
  const ended = once(child, "close").finally(() => children.delete(child));
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    ended,
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${file} ${args.join(" ")} ended: ${errors}`);
      return value;
    },
    /** Tells it to end, by a line, and waits: killing it would leave what it started inside a namespace. */
    async finish() {
      child.stdin.write("end\n");
      await ended;
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Ends whatever is still there. */
export async function endAll() {
  await Promise.all(
    [...children].map(async (child) => {
      const end = once(child, "close");
      child.kill("SIGKILL");
      await end;
    }),
  );
}
