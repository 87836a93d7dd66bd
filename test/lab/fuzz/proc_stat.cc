// libFuzzer harness: any bytes as a /proc/<pid>/stat line, checked against a second parser that is
// plain where the real one is fast.
//
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Inative
//       test/lab/fuzz/proc_stat.cc native/parse/proc_stat.cc -o fuzz-proc-stat
#include "parse/proc_stat.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using pidentity::ProcStat;

void require(bool condition) {
  if (!condition) std::abort();
}

std::optional<std::uint64_t> number(const std::string& text, std::uint64_t max) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (max - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

// Field n of proc_pid_stat(5) is at [n - 3]. A field that is read ends at a space, a newline or the
// end of the line; one that is not, at a space only.
std::vector<std::string> split(std::string_view rest) {
  std::vector<std::string> fields(1);
  for (const char c : rest) {
    if (c == ' ') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

std::string up_to_newline(const std::string& field) { return field.substr(0, field.find('\n')); }

// The kernel's line has one newline, at its end. With one anywhere else the two may disagree about
// what follows it, so those are only looked at for memory errors.
bool is_one_line(std::string_view rest) {
  const std::size_t newline = rest.find('\n');
  return newline == std::string_view::npos || newline + 1 == rest.size();
}

void compare(std::string_view rest, bool parsed, const ProcStat& stat) {
  std::vector<std::string> fields = split(rest);
  for (std::string& field : fields) field = up_to_newline(field);
  const auto field = [&](std::size_t n) { return n - 3 < fields.size() ? fields[n - 3] : ""; };

  const auto ppid = number(field(4), UINT32_MAX);
  const auto flags = number(field(9), UINT32_MAX);
  const auto threads = number(field(20), UINT32_MAX);
  const auto start = number(field(22), (std::uint64_t{1} << 53) - 1);
  const std::string state = field(3);
  const bool letter = state.size() == 1 && ((state[0] >= 'A' && state[0] <= 'Z') ||
                                            (state[0] >= 'a' && state[0] <= 'z'));
  require(parsed == (letter && ppid && flags && threads && start));
  if (!parsed) return;
  require(stat.state == state[0] && stat.ppid == *ppid && stat.flags == *flags);
  require(stat.num_threads == *threads && stat.start_time == static_cast<std::int64_t>(*start));

  const std::string signal = field(38);
  const bool negative = !signal.empty() && signal[0] == '-';
  const auto magnitude = number(signal.substr(negative ? 1 : 0), INT32_MAX);
  const auto value = static_cast<std::int32_t>(magnitude.value_or(0));
  require(stat.exit_signal == (negative ? -value : value));

  const auto arg_start = number(field(48), UINT64_MAX);
  const auto arg_end = number(field(49), UINT64_MAX);
  const auto env_end = number(field(51), UINT64_MAX);
  const bool known = magnitude && arg_start && arg_end && env_end;
  require(stat.arg_start == (known ? *arg_start : 0));
  require(stat.arg_end == (known ? *arg_end : 0));
  require(stat.env_end == (known ? *env_end : 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  ProcStat stat;
  const bool parsed = pidentity::parse_proc_stat(line, stat);
  if (parsed) {
    require(stat.start_time >= 0 && stat.start_time < (std::int64_t{1} << 53));
    require(stat.arg_length() == 0 || stat.arg_start + stat.arg_length() == stat.arg_end);
  }

  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string_view::npos) {
    require(!parsed);
    return 0;
  }
  const std::string_view rest = line.substr(name_end + 1);
  if (rest.empty() || rest[0] != ' ') {
    require(!parsed);
  } else if (is_one_line(rest)) {
    compare(rest.substr(1), parsed, stat);
  }
  return 0;
}
