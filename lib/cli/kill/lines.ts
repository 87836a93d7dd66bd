/** What became of a process, as lines for people and scripts. */
import { printable } from "../../util/printable.js";
import type { KillOutcome } from "./carry-out.js";

/** One line, and one for each survivor that descends from it; each with its end. */
export function linesOf(outcome: KillOutcome): string[] {
  const { process, token, survivors } = outcome;
  const others = survivors.filter((survivor) => survivor.token !== token);
  return [
    `${process} ${fateOf(outcome)}`,
    ...others.map(({ pid, reason }) => `  ${String(pid)} running (${reason})`),
  ].map((line) => `${printable(line)}\n`);
}

function fateOf({ token, state, reason, signal, killed, survivors }: KillOutcome): string {
  switch (state) {
    case "sent":
      return `sent ${signal ?? ""}`;
    case "ended":
    case "running": {
      const itself = survivors.find((survivor) => survivor.token === token);
      if (itself !== undefined) return `running (${itself.reason})`;
      const others = killed.filter((ended) => ended.token !== token).length;
      const how = signal === null ? "ended" : `ended (${signal})`;
      return others === 0 ? how : `${how}, and ${String(others)} that descended from it`;
    }
    default:
      return `${state} (${reason ?? ""})`;
  }
}
