#include "clock.h"

#include "posix/read_clock.h"

namespace pidentity {

std::optional<double> monotonic_ms() { return read_clock_ms(CLOCK_MONOTONIC); }

std::optional<double> since_boot_ms() { return read_clock_ms(CLOCK_BOOTTIME); }

}  // namespace pidentity
