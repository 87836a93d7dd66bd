#include "clock.h"

#include "posix/read_clock.h"

namespace pidentity {

// mach_absolute_time() in nanoseconds: it stops while the machine sleeps. CLOCK_MONOTONIC does not.
std::optional<double> monotonic_ms() { return read_clock_ms(CLOCK_UPTIME_RAW); }

std::optional<double> since_boot_ms() { return std::nullopt; }

}  // namespace pidentity
