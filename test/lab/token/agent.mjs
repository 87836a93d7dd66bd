// Lives in one of the worlds of make-vectors.mjs: names processes there, says what it sees of a token's process, and
// starts and ends processes. One JSON command for each line, one JSON answer.
//
//   node agent.mjs <URL of build/modules/>
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const modules = process.argv[2];
const { identifyProcess, identityOf, tokenHost, tokenLookups, verifyProcess } = await import(
  `${modules}process/identity.js`
);
const { judgeToken } = await import(`${modules}process/judge-token.js`);
const { isOfOtherNamespace, isSameBoot, parseToken } = await import(`${modules}process/token.js`);
const { nativeStatus } = await import(`${modules}process/backends/select-backend.js`);

/** Of those that were started here, by pid. */
const children = new Map();

const COMMANDS = {
  about: () => ({ reader: tokenHost(), backend: nativeStatus().backend, pid: process.pid }),
  identify: ({ pid = process.pid }) => identifyProcess(pid),
  read({ tokens }) {
    const look = tokenHost().initialPidNamespace ? tokenLookups.nested() : null;
    return tokens.map((token) => read(token, look));
  },
  /** Starts a program; its pid and, unless it says nothing by itself, its first line of output. */
  async start({ command: [file, ...args], isSilent = false }) {
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    children.set(child.pid, { child, lines });
    return { pid: child.pid, line: isSilent ? null : (await lines.next()).value };
  },
  /** Says a line to one, and gives its answer. */
  async say({ pid, line }) {
    const { child, lines } = children.get(pid);
    child.stdin.write(`${line}\n`);
    return (await lines.next()).value;
  },
  async end({ pid }) {
    const { child } = children.get(pid);
    const end = once(child, "close");
    child.kill("SIGKILL");
    await end;
    return null;
  },
  /** Of any process. */
  kill({ pid }) {
    process.kill(pid, "SIGKILL");
    return null;
  },
};

/** What a verdict on the token can need, whether this one does or not; and the verdict. */
function read(token, look) {
  const parsed = parseToken(token);
  if (parsed === null) {
    return { atPid: null, byExactId: null, nested: null, verdict: verifyProcess(token) };
  }
  const host = tokenHost();
  const atPid = identityOf(parsed.pid);
  const byExactId = parsed.exactId === null ? null : tokenLookups.byExactId(parsed.exactId);
  const lookups = { ...tokenLookups, nested: () => look };
  const mayBeNested = isSameBoot(parsed, host) && isOfOtherNamespace(parsed, host);
  return {
    atPid,
    byExactId: byExactId && { state: byExactId.state, reason: byExactId.reason },
    nested: mayBeNested && look !== null ? found(look, parsed.pid) : null,
    // A look at all processes takes milliseconds: one for all tokens is as good.
    verdict: mayBeNested ? judgeToken(parsed, host, lookups) : verifyProcess(token),
  };
}

function found({ isComplete, having }, pid) {
  const processes = having(pid).map(({ startTime, exactId, pidNamespace }) => ({
    startTime,
    exactId,
    pidNamespace,
  }));
  return { isComplete, having: processes };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { name, ...given } = JSON.parse(line);
  console.log(JSON.stringify(await COMMANDS[name](given)));
}
for (const { child } of children.values()) child.kill("SIGKILL");
process.exit();
