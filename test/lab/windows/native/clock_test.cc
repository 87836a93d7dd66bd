// clock.h on Windows: one clock of the machine's for all processes.
#include "clock.h"

#include <windows.h>

#include <cmath>

#include "check.h"

namespace {

void the_clock_never_goes_back() {
  double last = 0;
  for (int call = 0; call < 100000; ++call) {
    const double now = pidentity::monotonic_ms().value_or(-1);
    if (now < last) check::equal(now, last);
    last = now;
  }
  check::equal(last > 0, true);
}

void the_clock_counts_milliseconds() {
  const double before = pidentity::monotonic_ms().value_or(-1);
  const ULONGLONG ticks_before = GetTickCount64();
  Sleep(300);
  const double own = pidentity::monotonic_ms().value_or(-1) - before;
  const double ticks = static_cast<double>(GetTickCount64() - ticks_before);
  // Each has a resolution of 15.6 ms.
  check::equal(std::fabs(own - ticks) < 50, true);
}

void the_clock_began_with_the_machine_and_not_with_this_process() {
  FILETIME creation;
  FILETIME exit;
  FILETIME kernel;
  FILETIME user;
  FILETIME now;
  check::equal(GetProcessTimes(GetCurrentProcess(), &creation, &exit, &kernel, &user) != 0, true);
  GetSystemTimeAsFileTime(&now);
  const auto value = [](FILETIME time) {
    return static_cast<double>(ULARGE_INTEGER{{time.dwLowDateTime, time.dwHighDateTime}}.QuadPart);
  };
  const double own_age_ms = (value(now) - value(creation)) / 1e4;
  check::equal(pidentity::monotonic_ms().value_or(-1) > own_age_ms, true);
}

void the_time_since_boot_is_compared_with_nothing_here() {
  check::equal(pidentity::since_boot_ms().has_value(), false);
}

}  // namespace

int main() {
  check::test("the clock never goes back", the_clock_never_goes_back);
  check::test("the clock counts milliseconds", the_clock_counts_milliseconds);
  check::test("the clock began with the machine",
              the_clock_began_with_the_machine_and_not_with_this_process);
  check::test("the time since boot is unknown", the_time_since_boot_is_compared_with_nothing_here);
  return check::report();
}
