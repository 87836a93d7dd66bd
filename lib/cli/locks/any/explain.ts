/** `--explain` on locks of any form: what each form that occurs is, and what to do. Pure. */
import { wrapToWidth } from "../../terminal/display-width.js";
import { explainLocks, type ExplainedLine } from "../explain.js";
import { FORMS, isOurs } from "../forms/registry.js";
import type { ExaminedLock } from "./examined.js";
import { countLocks } from "./describe.js";

/** @param columns - Cells that a line may take; Infinity never breaks one. */
export function explainForms(locks: readonly ExaminedLock[], columns: number): ExplainedLine[] {
  const own = locks.flatMap((lock) => (lock.own === null ? [] : [lock.own]));
  const lines = FORMS.filter((form) => !isOurs(form)).flatMap((form) => {
    const count = locks.filter((lock) => lock.form === form).length;
    if (count === 0) return [];
    return [
      { text: "", isHeading: false },
      { text: `  ${form.kind} (${countLocks(count)})`, isHeading: true },
      ...[`  This is ${form.title}.`, `  What to do: ${form.remedy}.`].flatMap((sentence) =>
        wrapToWidth(sentence, columns, "  ").map((text) => ({ text, isHeading: false })),
      ),
    ];
  });
  return [...lines, ...explainLocks(own, columns)];
}
