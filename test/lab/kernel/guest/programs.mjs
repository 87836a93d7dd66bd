// Programs of this folder, started here or on the other side of the share.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Starts a command; `line()` gives its next line, or rejects when it ends first. */
export function start([file, ...args], options = {}) {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"], ...options });
  const ended = once(child, "close");
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    ended,
    say: (text) => child.stdin.write(`${text}\n`),
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`ended without a word: ${file} ${args.join(" ")}`);
      return value;
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** The command that runs a program of this folder. */
export function command(name, ...args) {
  return [process.execPath, fileURLToPath(new URL(`${name}.mjs`, import.meta.url)), ...args];
}

/** Starts a holder and waits until it holds. */
export async function hold(kind, path, { prefix = [], ...options } = {}) {
  const holder = start([...prefix, ...command("holder", kind, path)], options);
  return { ...holder, ...JSON.parse(await holder.line()) };
}

/** What judge.mjs says of a session's lock. */
export async function judge(sessionFile, { prefix = [], ...options } = {}) {
  const judging = start([...prefix, ...command("judge", sessionFile)], options);
  const answer = JSON.parse(await judging.line());
  await judging.ended;
  return answer;
}

/** Lets a holder release. */
export async function release(holder) {
  holder.say("release");
  if ((await holder.line()) !== "released") throw new Error("the holder did not release");
  await holder.ended;
}
