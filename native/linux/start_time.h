// When a process started, from field 22 of /proc/<pid>/stat.
#ifndef PIDENTITY_NATIVE_LINUX_START_TIME_H_
#define PIDENTITY_NATIVE_LINUX_START_TIME_H_

#include <cstdint>
#include <optional>

#include "linux/own_namespaces.h"
#include "parse/proc_stat.h"

namespace pidentity {

// Clock ticks since boot, as the initial time namespace counts them. Empty when our own namespace's
// offset is not known.
std::optional<std::int64_t> start_time_of(const ProcStat& stat, OwnNamespaces& own);

// Milliseconds since the Unix epoch, by the wall clock as it is now.
std::optional<double> started_at_ms(const ProcStat& stat, double ticks_per_second);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_START_TIME_H_
