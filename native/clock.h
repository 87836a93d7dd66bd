// The third OS contract: the machine's clocks. A JavaScript runtime's own clocks do not
// serve: those of Bun and Deno begin with the process, and libuv's count suspended time on macOS
// and Windows.
#ifndef PIDENTITY_NATIVE_CLOCK_H_
#define PIDENTITY_NATIVE_CLOCK_H_

#include <optional>

namespace pidentity {

// Milliseconds on a clock that all processes of one boot share, that cannot be set, and that stands
// still while the machine is suspended. Linux: CLOCK_MONOTONIC with this process's time-namespace
// offset still in it. macOS: CLOCK_UPTIME_RAW. Windows: QueryUnbiasedInterruptTime. Empty when the
// OS refuses.
std::optional<double> monotonic_ms();

// Milliseconds since boot, suspended time included: Linux CLOCK_BOOTTIME, likewise with this
// process's offset; never /proc/uptime, which lxcfs replaces by the container's age. Empty on other
// systems, where nothing is compared with it.
std::optional<double> since_boot_ms();

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_CLOCK_H_
