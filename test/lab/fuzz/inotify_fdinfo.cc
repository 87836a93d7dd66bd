// libFuzzer harness: any bytes as the fdinfo of an inotify instance, checked against a second parser
// that splits where the real one takes from the front.
//
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Inative
//       test/lab/fuzz/inotify_fdinfo.cc native/parse/inotify_fdinfo.cc -o fuzz-inotify-fdinfo
#include "parse/inotify_fdinfo.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace {

constexpr std::uint64_t kInode = 0x3a00c;
constexpr std::uint32_t kEvents = 0xfc6;

// The text behind `key` in field n, counted from 0 and ended by a space.
std::optional<std::string> field(std::string_view line, int n, std::string_view key) {
  for (; n > 0; --n) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    line.remove_prefix(space + 1);
  }
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || !line.starts_with(key) || space == key.size()) {
    return std::nullopt;
  }
  return std::string(line.substr(key.size(), space - key.size()));
}

std::optional<std::uint64_t> number(const std::optional<std::string>& text, unsigned base,
                                    std::uint64_t max) {
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : *text) {
    unsigned digit = 99;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base || value > (max - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

std::optional<int> find(std::string_view text) {
  for (std::size_t end; (end = text.find('\n')) != std::string_view::npos;) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::optional<std::string> watch = field(line, 1, "wd:");
    const bool negative = watch && (*watch)[0] == '-';
    const auto magnitude =
        number(negative && watch->size() > 1 ? watch->substr(1) : watch, 10,
               std::uint64_t{INT32_MAX} + (negative ? 1 : 0));
    const auto inode = number(field(line, 2, "ino:"), 16, UINT64_MAX);
    const auto mask = number(field(line, 4, "mask:"), 16, UINT32_MAX);
    if (line.starts_with("inotify ") && magnitude && inode == kInode &&
        number(field(line, 3, "sdev:"), 16, UINT32_MAX) && mask && (*mask & 0xfff) == kEvents) {
      const auto value = static_cast<std::int64_t>(*magnitude);
      return static_cast<int>(negative ? -value : value);
    }
  }
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (pidentity::find_inotify_watch(text, kInode, kEvents) != find(text)) std::abort();
  return 0;
}
