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

// The n-th space (counted from 1), or `end`. Half the cost of reading a start time would be going
// over some 250 bytes one by one, so this takes eight at a time.
const char* find_space(const char* at, const char* end, int n) {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    constexpr std::uint64_t kLow = 0x7F * kOnes;
    for (; end - at >= 8; at += 8) {
      std::uint64_t block;
      std::memcpy(&block, at, sizeof block);
      const std::uint64_t difference = block ^ (' ' * kOnes);
      // The top bit of exactly those bytes that do not differ.
      std::uint64_t spaces = ~(((difference & kLow) + kLow) | difference | kLow);
      const auto count = static_cast<int>(((spaces >> 7) * kOnes) >> 56);
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

// Walks over the space-separated numbers behind the command name.
class FieldCursor {
 public:
  explicit FieldCursor(std::string_view rest) : at_(rest.data()), end_(rest.data() + rest.size()) {}

  // What skipped fields consist of does not matter.
  bool skip(int fields) {
    if (at_ == end_ || *at_ != ' ') return false;
    at_ = find_space(at_ + 1, end_, fields);
    return at_ != end_;
  }

  bool read_unsigned(std::uint64_t max, std::uint64_t& value) {
    return next_field() && digits(max, value) && at_boundary();
  }

  template <typename T>
  bool read(T& field) {
    static_assert(std::numeric_limits<T>::is_integer && !std::numeric_limits<T>::is_signed);
    std::uint64_t value = 0;
    if (!read_unsigned(std::numeric_limits<T>::max(), value)) return false;
    field = static_cast<T>(value);
    return true;
  }

  bool read(std::int32_t& field) {
    if (!next_field()) return false;
    const bool negative = at_ != end_ && *at_ == '-';
    if (negative) ++at_;
    std::uint64_t value = 0;
    if (!digits(std::numeric_limits<std::int32_t>::max(), value) || !at_boundary()) return false;
    const auto magnitude = static_cast<std::int32_t>(value);
    field = negative ? -magnitude : magnitude;
    return true;
  }

 private:
  bool next_field() {
    if (at_ == end_ || *at_ != ' ') return false;
    ++at_;
    return at_ != end_ && *at_ != ' ' && *at_ != '\n';
  }

  bool digits(std::uint64_t max, std::uint64_t& value) {
    const char* const first = at_;
    value = 0;
    for (; at_ != end_; ++at_) {
      const auto digit = static_cast<std::uint64_t>(static_cast<unsigned char>(*at_)) - '0';
      if (digit > 9) break;
      // Only here can one more digit be too much for 64 bits.
      if (value >= kNearlyFull && value > (max - digit) / 10) return false;
      value = value * 10 + digit;
    }
    return at_ != first && value <= max;
  }

  bool at_boundary() const { return at_ == end_ || *at_ == ' ' || *at_ == '\n'; }

  const char* at_;
  const char* end_;
};

}  // namespace

bool parse_proc_stat(std::string_view line, ProcStat& stat) {
  // The command name, in parentheses, may itself hold spaces, newlines and parentheses; no field
  // behind it does.
  // Found from the front, name by name end, because memchr() is fast and rfind() is not.
  std::string_view rest = line;
  bool named = false;
  for (std::size_t at; (at = rest.find(')')) != std::string_view::npos; named = true) {
    rest.remove_prefix(at + 1);
  }
  if (!named) return false;
  // " S 1 ...": one letter, then the numbers.
  if (rest.size() < 2 || rest[0] != ' ') return false;
  stat = ProcStat{};
  stat.state = rest[1];
  if (!((stat.state >= 'A' && stat.state <= 'Z') || (stat.state >= 'a' && stat.state <= 'z'))) {
    return false;
  }

  FieldCursor fields(rest.substr(2));
  std::uint64_t start_time = 0;
  if (!fields.read(stat.ppid) ||                             // 4
      !fields.skip(4) ||                                     // 5 pgrp, 6 session, 7 tty_nr, 8 tpgid
      !fields.read(stat.flags) ||                            // 9
      !fields.skip(10) ||                                    // 10 minflt ... 19 nice
      !fields.read(stat.num_threads) ||                      // 20
      !fields.skip(1) ||                                     // 21 itrealvalue
      !fields.read_unsigned(kMaxSafeInteger, start_time)) {  // 22
    return false;
  }
  stat.start_time = static_cast<std::int64_t>(start_time);

  std::int32_t exit_signal = 0;
  if (!fields.skip(15) || !fields.read(exit_signal)) return true;  // 38
  stat.exit_signal = exit_signal;

  std::uint64_t arg_start = 0;
  std::uint64_t arg_end = 0;
  std::uint64_t env_end = 0;
  if (!fields.skip(9) || !fields.read(arg_start) ||  // 48
      !fields.read(arg_end) ||                       // 49
      !fields.skip(1) || !fields.read(env_end)) {    // 51
    return true;
  }
  stat.arg_start = arg_start;
  stat.arg_end = arg_end;
  stat.env_end = env_end;
  return true;
}

}  // namespace pidentity
