/** Visits every state that a scenario can reach, breadth first, so that a trace to a bad one is a shortest one. */
import type { Automaton } from "./automaton.js";
import { canonical } from "./canonical.js";
import { decode, encode, hasContender, hold, type Scenario, type State, World } from "./world.js";

export interface Exploration {
  readonly states: number;
  readonly steps: number;
  /** What is broken, with the steps that lead there; null: nothing is. */
  readonly counterexample: { readonly what: string; readonly trace: readonly string[] } | null;
  /** Outcomes of operations that came about, e.g. `release: busy`. */
  readonly outcomes: ReadonlySet<string>;
}

// Far beyond every scenario of the suite: an endless model shall fail, not fill the memory.
const MAX_STATES = 3_000_000;

export function explore(scenario: Scenario, automaton: Automaton): Exploration {
  const world = new World(scenario, automaton);
  const graph = new Graph();
  graph.visit(encode(world.initial()), { parent: -1, process: 0, label: "", places: [0, 1, 2] });
  const edges: number[] = [];
  const acquisitions: number[] = [];
  let steps = 0;
  const result = (counterexample: Exploration["counterexample"]): Exploration => {
    return { states: graph.size, steps, counterexample, outcomes: world.outcomes };
  };

  for (let index = 0; index < graph.size; index++) {
    if (graph.size > MAX_STATES) throw new Error(`more than ${MAX_STATES} states`);
    const before = graph.state(index);
    for (const step of world.steps(before)) {
      steps++;
      const { process, label } = step;
      if (step.violation !== null) {
        const trace = graph.trace({ parent: index, process, label, places: [0, 1, 2] });
        return result({ what: step.violation, trace });
      }
      const { state, places } = canonical(step.next, scenario.symmetric);
      const target = graph.visit(encode(state), { parent: index, process, label, places });
      if (step.isEvent) continue;
      edges.push(index, target);
      if (hold(before, process) === 0 && hold(step.next, process) !== 0) acquisitions.push(index);
    }
  }
  const isAhead = canReach(acquisitions, graph.size, edges);
  const wedged = isAhead.findIndex(
    (ahead, index) => ahead === 0 && hasContender(graph.state(index), scenario),
  );
  if (wedged === -1) return result(null);
  return result({ what: "nobody can ever get the lock again", trace: graph.traceTo(wedged) });
}

/** How a state came about. */
interface Origin {
  readonly parent: number;
  readonly process: number;
  readonly label: string;
  /** Which place each process got when the state was renamed. */
  readonly places: readonly number[];
}

class Graph {
  readonly #known = new Map<string, number>();
  readonly #states: string[] = [];
  readonly #origins: Origin[] = [];

  get size(): number {
    return this.#states.length;
  }

  state(index: number): State {
    return decode(this.#states[index] ?? "");
  }

  /** The state's number; remembers how it came about when it is new. */
  visit(text: string, origin: Origin): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    this.#known.set(text, this.#states.length);
    this.#origins.push(origin);
    return this.#states.push(text) - 1;
  }

  traceTo(index: number): string[] {
    const origin = this.#origins[index];
    return origin === undefined || origin.parent === -1 ? [] : this.trace(origin);
  }

  /** The steps from the start on, each process under one name throughout. */
  trace(last: Origin): string[] {
    const origins = [last];
    for (let origin = this.#origins[last.parent]; origin !== undefined && origin.parent !== -1;) {
      origins.unshift(origin);
      origin = this.#origins[origin.parent];
    }
    let names = ["A", "B", "C"];
    return origins.map(({ process, label, places }) => {
      const line = `${names[process] ?? "a tool"} ${label}`;
      names = places.map((_, place) => names[places.indexOf(place)] ?? "?");
      return line;
    });
  }
}

/** 1 for every state from which steps lead to one of `targets`. `edges`: from, to, from, to, … */
function canReach(targets: readonly number[], count: number, edges: readonly number[]): Uint8Array {
  // Edges by their ends, in two flat arrays: there are millions.
  const starts = new Uint32Array(count + 1);
  for (let i = 1; i < edges.length; i += 2) add(starts, (edges[i] ?? 0) + 1);
  for (let i = 0; i < count; i++) add(starts, i + 1, starts[i]);
  const filled = starts.slice();
  const sources = new Uint32Array(edges.length / 2);
  for (let i = 0; i < edges.length; i += 2) {
    const to = edges[i + 1] ?? 0;
    sources[filled[to] ?? 0] = edges[i] ?? 0;
    add(filled, to);
  }
  const isAhead = new Uint8Array(count);
  const pending = [...targets];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    if (isAhead[index] === 1) continue;
    isAhead[index] = 1;
    pending.push(...sources.subarray(starts[index], starts[index + 1]));
  }
  return isAhead;
}

function add(array: Uint32Array, index: number, amount = 1): void {
  array[index] = (array[index] ?? 0) + amount;
}
