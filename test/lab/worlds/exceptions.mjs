// What the matrix allows, each with its reason and what a person can do. What does not occur fails, too.

const isNeighbour = (place) =>
  place.startsWith("sibling namespace") || place.startsWith("container looking out");

export const EXCEPTIONS = [
  {
    what: "a live plain lock of a neighbour container, or of the host, is removed from inside a container",
    why: "it names neither host nor pid namespace, nothing inside can see its owner, and a restarted container must recover.",
    remedy: 'plainLocks: "keep", or --keep-plain, where containers with such locks share a volume.',
    matches: ({ writer, place, owner, plainLocks }) =>
      writer.startsWith("plain") &&
      isNeighbour(place) &&
      owner === "alive" &&
      plainLocks === "judge",
  },
  {
    what: "a dead neighbour's lock that was written without the addon is kept inside a container",
    why: "no kernel lock tells, and its token names a process of a pid namespace that cannot be seen.",
    remedy: "Run the command on the host, where it can be decided.",
    matches: ({ writer, place, owner }) =>
      writer === "ours, no addon" && isNeighbour(place) && owner !== "alive",
  },
  {
    what: "a restarted container keeps the lock that its predecessor wrote without the addon",
    why: "the same: its predecessor's pid namespace cannot be told from a neighbour's.",
    remedy: "Run the command on the host; install a version with a prebuilt addon.",
    matches: ({ writer, place, owner }) =>
      writer === "ours, no addon" && place.startsWith("restarted container, ") && owner !== "alive",
  },
  {
    what: "a dead container's plain lock without start time is kept on the host while its pid runs again in there",
    why: "nothing tells that process from the owner.",
    remedy: "Run the command inside that container, or remove the lock by hand.",
    matches: ({ writer, place, owner }) =>
      writer === "plain, no start time" &&
      place.startsWith("host looking in") &&
      owner === "reused",
  },
];

/** The exception that a cell falls under. */
export function exceptionFor(cell) {
  return EXCEPTIONS.find(({ matches }) => matches(cell));
}
