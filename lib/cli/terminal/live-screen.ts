/** The terminal's second screen, painted over and over, and given back however the program ends. */
import type { CliIo } from "./io.js";

const ENTER = "\u001B[?1049h\u001B[?25l";
const LEAVE = "\u001B[?25h\u001B[?1049l";
const HOME = "\u001B[H";
const CLEAR_LINE_END = "\u001B[K";
const CLEAR_BELOW = "\u001B[J";
const DEFAULT_ROWS = 24;

export class LiveScreen {
  readonly #stream: CliIo["stdout"];
  readonly #stopListening: () => void;
  #isOpen = true;

  /** Opens it: what was on the terminal is hidden until {@link close}. */
  constructor({ stdout, events }: Pick<CliIo, "stdout" | "events">) {
    this.#stream = stdout;
    this.#stopListening = events.onExit(() => this.close());
    stdout.write(ENTER);
  }

  /** Lines that the terminal has. */
  get rows(): number {
    return this.#stream.rows ?? DEFAULT_ROWS;
  }

  /**
   * Shows `lines` instead of what is there, without a flicker: nothing is cleared before it is written over.
   *
   * @param lines - None wider than the terminal. What is below its last row is not shown, and that is said.
   */
  paint(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const hidden = lines.length - this.rows;
    const shown =
      hidden <= 0
        ? lines
        : [...lines.slice(0, this.rows - 1), `… ${String(hidden + 1)} more lines`];
    this.#stream.write(HOME + shown.join(`${CLEAR_LINE_END}\n`) + CLEAR_LINE_END + CLEAR_BELOW);
  }

  /** Gives the terminal back as it was; once. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stopListening();
    this.#stream.write(LEAVE);
  }
}
