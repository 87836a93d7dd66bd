#include "clock.h"

#include <realtimeapiset.h>
#include <windows.h>

namespace pidentity {

std::optional<double> monotonic_ms() {
  ULONGLONG hundred_nanoseconds = 0;
  if (QueryUnbiasedInterruptTime(&hundred_nanoseconds) == 0) return std::nullopt;
  return static_cast<double>(hundred_nanoseconds) / 1e4;
}

std::optional<double> since_boot_ms() { return std::nullopt; }

}  // namespace pidentity
