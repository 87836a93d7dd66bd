// What the sessions' files say in the end, compared with what pods were told: it knows nothing of locks and leases.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What the logs of all pods say (program.mjs). */
export function readLogs(folder) {
  const begun = new Map();
  const acknowledged = new Map();
  let halfLines = 0;
  for (const name of readdirSync(folder)) {
    for (const text of readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1)) {
      const [kind, session, epoch, value] = text.split(" ");
      if (kind === "begin") begun.set(`${session} ${epoch}`, BigInt(value));
      else if (kind === "cut") halfLines++;
      else if (kind === "ack") {
        const all = acknowledged.get(session) ?? [];
        acknowledged.set(session, all);
        all.push({ epoch, count: Number(value), pod: name });
      }
    }
  }
  return { begun, acknowledged, halfLines };
}

/**
 * One session: whole lines, numbered without a gap, epochs in order, each acknowledged line there once.
 *
 * @param {string} text the file
 * @param {{ session: string, isFenceShared: boolean }} about where the fence is not shared, a line that was asked for before
 *   the next holder began may come after its first: it is counted (`late`)
 */
export function judgeTranscript(text, { begun, acknowledged }, { session, isFenceShared }) {
  const complaints = [];
  const complain = (what) => complaints.push(`${session}: ${what}`);
  const lines = text.split("\n");
  if (lines.pop() !== "") complain("half a line is left at the end");
  const found = new Map();
  const owners = new Map();
  let last = { line: 0, epoch: "0", count: 0 };
  let late = 0;
  for (const [index, written] of lines.entries()) {
    const at = `line ${index + 1}`;
    const read = parse(written);
    if (read === null) {
      complain(`torn: ${at} is ${written.slice(0, 200)}`);
      continue;
    }
    const { line, epoch, count, pod, asked } = read;
    const id = `${epoch} ${count}`;
    if (found.has(id)) complain(`twice: ${at} is epoch ${id}`);
    found.set(id, pod);
    if ((owners.get(epoch) ?? pod) !== pod)
      complain(`two pods: ${at} is another's of epoch ${epoch}`);
    owners.set(epoch, pod);
    if (BigInt(epoch) < BigInt(last.epoch)) {
      const began = begun.get(`${session} ${last.epoch}`);
      if (!isFenceShared && BigInt(asked) < began) late++;
      else complain(`late: ${at} is of epoch ${epoch}, after ${last.epoch}`);
      continue;
    }
    if (line !== last.line + 1)
      complain(`out of order: ${at} has number ${line} after ${last.line}`);
    const expected = epoch === last.epoch ? last.count + 1 : 1;
    if (count !== expected) complain(`lost: ${at} is epoch ${id}, not its ${expected}`);
    last = { line, epoch, count };
  }
  const all = acknowledged.get(session) ?? [];
  for (const { epoch, count, pod } of all) {
    if (found.get(`${epoch} ${count}`) === pod) continue;
    complain(`lost: ${pod} was told that line ${count} of epoch ${epoch} is stored`);
  }
  return { complaints, lines: lines.length, acknowledged: all.length, late };
}

/** null: not a line as pods write it. Halves of two lines may be JSON together. */
function parse(text) {
  if (!LINE.test(text)) return null;
  return JSON.parse(text);
}

const LINE = /^\{"line":\d+,"epoch":"\d+","count":\d+,"pod":"pod-\d+","asked":"\d+"\}$/u;
