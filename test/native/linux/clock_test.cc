// clock.h against the kernel's own answers: the clocks that it promises, and no others.
#include "clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <optional>

#include "check.h"

namespace pidentity {
namespace {

// By the system call itself.
double kernel_ms(clockid_t clock) {
  struct timespec now;
  if (::syscall(SYS_clock_gettime, clock, &now) != 0) return -1;
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

using Clock = std::optional<double> (*)();

void check_between(Clock clock, clockid_t expected) {
  const double before = kernel_ms(expected);
  const double seen = clock().value_or(-1);
  const double after = kernel_ms(expected);
  check::equal(before > 0 && before <= seen && seen <= after, true);
}

void run() {
  check::test("the monotonic clock is CLOCK_MONOTONIC, which stands still in a suspension",
              [] { check_between(monotonic_ms, CLOCK_MONOTONIC); });
  check::test("the time since boot is CLOCK_BOOTTIME",
              [] { check_between(since_boot_ms, CLOCK_BOOTTIME); });
  check::test("neither goes back", [] {
    for (const Clock clock : {Clock{monotonic_ms}, Clock{since_boot_ms}}) {
      double last = 0;
      for (int call = 0; call < 100'000; ++call) {
        const double now = clock().value_or(-1);
        if (now < last) check::equal(now, last);
        last = now;
      }
    }
  });
}

}  // namespace
}  // namespace pidentity

int main() {
  pidentity::run();
  return check::report();
}
