/** `pidentity identify`: a process's identity token. */
import { identifyProcess } from "../../process/identity.js";
import { inspectProcess } from "../../process/inspect.js";
import { quote } from "../../util/printable.js";
import { parseArguments, parsePid } from "../arguments.js";
import { type Command, EXIT, UsageError } from "../command.js";
import { jsonDocument } from "../json-document.js";

export const identify: Command = {
  name: "identify",
  usage: "[pid] [--json]",
  summary: "a token that names this very process, for pidentity verify",
  help: `Prints a token that names the process with this pid and no later one: keep it
in a pid file, and ask pidentity verify later. Without a pid it names the
process that started this command: your shell or script. (The command's own
process would be gone before anybody could read its name.) As the command of
docker exec or docker run it was started from outside the container, where that
process has no pid: give a pid, such as 1.

Options:
  --json   one JSON document: {"schemaVersion", "pid", "token", "reason"};
           reason is null, or why there is no token; pid is null when it was
           not given and the process that started the command has none here

Exit code: 0 when the token was printed, 1 when the process cannot be named,
2 on wrong usage.

Examples:
  pidentity identify 4711 > server.pidentity
  token=$(pidentity identify)   # of this shell
`,
  run: (args, io) => {
    const { values, positionals } = parseArguments(args, { json: { type: "boolean" } });
    const [pidText, extra] = positionals;
    if (extra !== undefined) throw new UsageError(`only one pid can be named: ${quote(extra)}`);
    const pid = pidText === undefined ? parentPid() : parsePid(pidText);

    const token = pid === null ? null : identifyProcess(pid);
    const reason = token === null ? whyNameless(pid) : null;
    if (values.json) io.stdout.write(jsonDocument({ pid, token, reason }));
    else if (token !== null) io.stdout.write(`${token}\n`);
    if (pid === null) io.stderr.write(`pidentity: ${PARENT_OUT_OF_SIGHT}\n`);
    else if (reason !== null) {
      io.stderr.write(`pidentity: cannot name the process (${reason}): ${String(pid)}\n`);
    }
    return token === null ? EXIT.no : EXIT.ok;
  },
};

const PARENT_OUT_OF_SIGHT =
  "cannot name the process that started this command (other-pid-namespace): it runs outside this container " +
  "(pid namespace) and has no pid in here; give a pid, e.g. of the container's main process: pidentity identify 1";

/** null: outside this pid namespace, where the kernel gives 0 for it (getppid(2)). */
function parentPid(): number | null {
  return process.ppid === 0 ? null : process.ppid;
}

/** A process that runs and has no token is one that nothing tells from a later one of its pid. */
function whyNameless(pid: number | null): string {
  if (pid === null) return "other-pid-namespace";
  const { state, reason } = inspectProcess(pid, { args: false });
  return state === "alive" ? "unsupported" : reason;
}
