// libFuzzer harness: any bytes as the fdinfo of an inotify instance, checked against a second
// parser that splits where the real one takes from the front.
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

std::optional<std::uint64_t> number(const std::optional<std::string>& text, std::uint64_t max) {
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : *text) {
    unsigned digit = 16;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit == 16 || value > (max - digit) / 16) return std::nullopt;
    value = value * 16 + digit;
  }
  return value;
}

bool is_there(std::string_view text) {
  for (std::size_t end; (end = text.find('\n')) != std::string_view::npos;) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto mask = number(field(line, 4, "mask:"), UINT32_MAX);
    if (line.starts_with("inotify ") && number(field(line, 1, "wd:"), UINT32_MAX) &&
        number(field(line, 2, "ino:"), UINT64_MAX) == kInode &&
        number(field(line, 3, "sdev:"), UINT32_MAX) && mask && (*mask & 0xfff) == kEvents) {
      return true;
    }
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (pidentity::has_inotify_watch(text, kInode, kEvents) != is_there(text)) std::abort();
  return 0;
}
