// Tells a process from a later one that has its pid.
#ifndef PIDENTITY_NATIVE_DARWIN_SAME_PROCESS_H_
#define PIDENTITY_NATIVE_DARWIN_SAME_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "darwin/kernel_queries.h"

namespace pidentity {

// A process, by its unique id or, where a sandbox refuses that, by its start time.
struct KnownProcess {
  std::optional<UniqueId> id = std::nullopt;
  std::optional<std::int64_t> start_time = std::nullopt;
};

enum class Presence : std::uint8_t {
  kSame,
  kSameAfterExec,  // the same process, running another program; told once for every exec
  kGone,
  kUnknown,
};

// Whether `pid` is still that process.
Presence presence_of(pid_t pid, KnownProcess& known);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_DARWIN_SAME_PROCESS_H_
