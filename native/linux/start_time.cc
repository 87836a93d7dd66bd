#include "linux/start_time.h"

#include <algorithm>

#include "posix/read_clock.h"

namespace pidentity {
namespace {

// As our own time namespace sees it. The kernel adds the namespace's offset unsigned: a process
// started before the namespace's zero is shown near 2^64 ns.
double seen_start_ticks(const ProcStat& stat, double ticks_per_second) {
  const double wrap = 0x1p64 / 1e9 * ticks_per_second;
  const auto ticks = static_cast<double>(stat.start_time);
  return ticks > wrap / 2 ? ticks - wrap : ticks;
}

}  // namespace

std::optional<std::int64_t> start_time_of(const ProcStat& stat, OwnNamespaces& own) {
  const Namespaces& facts = own.get();
  if (!facts.time_offsets_known) return std::nullopt;
  const double seen = seen_start_ticks(stat, own.ticks_per_second());
  // Rounds down, as the conversion does with what is not negative.
  return static_cast<std::int64_t>(std::max(0.0, seen - facts.boot_time_offset_ticks));
}

std::optional<double> started_at_ms(const ProcStat& stat, double ticks_per_second) {
  // Both the start time and CLOCK_BOOTTIME are those that our time namespace sees.
  const std::optional<double> since_boot = read_clock_ms(CLOCK_BOOTTIME);
  const std::optional<double> now = read_clock_ms(CLOCK_REALTIME);
  if (!since_boot || !now) return std::nullopt;
  const double seen = seen_start_ticks(stat, ticks_per_second);
  return *now - (*since_boot - seen * 1e3 / ticks_per_second);
}

}  // namespace pidentity
