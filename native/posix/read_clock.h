// clock_gettime(2) in milliseconds.
#ifndef PIDENTITY_NATIVE_POSIX_READ_CLOCK_H_
#define PIDENTITY_NATIVE_POSIX_READ_CLOCK_H_

#include <time.h>

#include <optional>

namespace pidentity {

inline std::optional<double> read_clock_ms(clockid_t clock) {
  struct timespec now;
  if (::clock_gettime(clock, &now) != 0) return std::nullopt;
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_POSIX_READ_CLOCK_H_
