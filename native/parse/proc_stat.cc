#include "parse/proc_stat.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>

namespace pidentity {
namespace {

// The largest integer that JavaScript represents exactly together with its neighbours.
constexpr std::uint64_t kMaxSafeInteger = (std::uint64_t{1} << 53) - 1;
constexpr std::uint64_t kNearlyFull = std::numeric_limits<std::uint64_t>::max() / 10;

// What is read, in this order, and how many fields are passed over before each: a nibble for every
// one of them, the first one lowest. One loop, for the sake of its size: after a system call the
// processor has to fetch these instructions anew, which takes longer than to execute them.
enum Field : std::size_t {
  kParent,
  kFlags,
  kThreads,
  kStart,
  kExitSignal,
  kArgStart,
  kArgEnd,
  kEnvEnd,
  kFieldCount
};
// 4 ppid; 5 pgrp to 8 tpgid, 9 flags; 10 minflt to 19 nice, 20 num_threads; 21 itrealvalue, 22
// starttime; 23 vsize to 37, 38 exit_signal; 39 to 47, 48 arg_start; 49 arg_end; 50, 51 env_end.
constexpr std::uint64_t kPassedOver = 0x1'0'9'F'1'A'4'0;

// Eight bytes at a time: going over some 250 bytes one by one would be half the cost.
constexpr bool kByBlocks = std::endian::native == std::endian::little;

// The top bit of exactly those of eight bytes that are `byte`.
std::uint64_t matches(const char* at, char byte) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kLow = 0x7F * kOnes;
  std::uint64_t block;
  std::memcpy(&block, at, sizeof block);
  const std::uint64_t difference = block ^ (static_cast<unsigned char>(byte) * kOnes);
  return ~(((difference & kLow) + kLow) | difference | kLow);
}

// Behind the last closing parenthesis, or null.
const char* find_name_end(const char* begin, const char* end) {
  if constexpr (kByBlocks) {
    for (; end - begin >= 8; end -= 8) {
      const std::uint64_t found = matches(end - 8, ')');
      if (found != 0) return end - (std::countl_zero(found) >> 3);
    }
  }
  for (; end != begin; --end) {
    if (end[-1] == ')') return end;
  }
  return nullptr;
}

// The n-th space (counted from 1), or `end`.
const char* find_space(const char* at, const char* end, int n) {
  if constexpr (kByBlocks) {
    for (; end - at >= 8; at += 8) {
      std::uint64_t spaces = matches(at, ' ');
      const auto count = static_cast<int>(((spaces >> 7) * 0x0101010101010101) >> 56);
      if (count < n) {
        n -= count;
        continue;
      }
      while (--n > 0) spaces &= spaces - 1;
      return at + (std::countr_zero(spaces) >> 3);
    }
  }
  for (; at != end; ++at) {
    if (*at == ' ' && --n == 0) break;
  }
  return at;
}

// Digits, and what ends a field behind them.
bool read_number(const char*& at, const char* end, std::uint64_t& value) {
  const char* const first = at;
  value = 0;
  for (; at != end; ++at) {
    const auto digit = static_cast<std::uint64_t>(static_cast<unsigned char>(*at)) - '0';
    if (digit > 9) break;
    // Only here can one more digit be too much for 64 bits.
    if (value >= kNearlyFull && value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) {
      return false;
    }
    value = value * 10 + digit;
  }
  return at != first && (at == end || *at == ' ' || *at == '\n');
}

}  // namespace

bool parse_proc_stat(std::string_view line, ProcStat& stat, StatFields which) {
  const char* const end = line.data() + line.size();
  // The command name, in parentheses, may itself hold spaces, newlines and parentheses; no field
  // behind it does.
  const char* at = find_name_end(line.data(), end);
  // " S 1 ...": one letter, then the numbers.
  if (at == nullptr || end - at < 2 || *at != ' ') return false;
  stat = ProcStat{};
  stat.state = at[1];
  if (!((stat.state >= 'A' && stat.state <= 'Z') || (stat.state >= 'a' && stat.state <= 'z'))) {
    return false;
  }
  at += 2;

  std::uint64_t values[kFieldCount];
  bool negative = false;
  const std::size_t wanted = which == StatFields::kAll ? kFieldCount : kArgStart;
  std::size_t count = 0;
  for (std::uint64_t passed_over = kPassedOver; count < wanted; ++count, passed_over >>= 4) {
    if (at == end || *at != ' ') break;
    if (const auto fields = static_cast<int>(passed_over & 0xF)) {
      // What they consist of does not matter.
      at = find_space(at + 1, end, fields);
      if (at == end) break;
    }
    ++at;
    if (count == kExitSignal) {
      negative = at != end && *at == '-';
      if (negative) ++at;
    }
    if (!read_number(at, end, values[count])) break;
  }

  constexpr std::uint64_t kMaxUint32 = std::numeric_limits<std::uint32_t>::max();
  if (count <= kStart || values[kParent] > kMaxUint32 || values[kFlags] > kMaxUint32 ||
      values[kThreads] > kMaxUint32 || values[kStart] > kMaxSafeInteger) {
    return false;
  }
  stat.ppid = static_cast<std::uint32_t>(values[kParent]);
  stat.flags = static_cast<std::uint32_t>(values[kFlags]);
  stat.num_threads = static_cast<std::uint32_t>(values[kThreads]);
  stat.start_time = static_cast<std::int64_t>(values[kStart]);

  if (count <= kExitSignal ||
      values[kExitSignal] > std::uint64_t{std::numeric_limits<std::int32_t>::max()}) {
    return true;
  }
  const auto magnitude = static_cast<std::int32_t>(values[kExitSignal]);
  stat.exit_signal = negative ? -magnitude : magnitude;
  if (count < kFieldCount) return true;
  stat.arg_start = values[kArgStart];
  stat.arg_end = values[kArgEnd];
  stat.env_end = values[kEnvEnd];
  return true;
}

}  // namespace pidentity
