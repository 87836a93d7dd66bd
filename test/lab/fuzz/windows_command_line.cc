// libFuzzer harness: any line, checked against a second splitter that counts where the real one
// walks. Every input is two lines: one with a unit per byte, one of the bytes as UTF-16.
#include "parse/windows_command_line.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr std::u16string_view kWhiteSpace = u" \t";

std::size_t run_length(std::u16string_view text, char16_t unit) {
  return std::min(text.find_first_not_of(unit), text.size());
}

// The rules as arithmetic: how many backslashes, how many quotes, what is left of each.
std::vector<std::u16string> split(std::u16string_view line) {
  std::vector<std::u16string> arguments;
  if (line.empty()) return arguments;
  const bool quoted = line[0] == u'"';
  if (quoted) line.remove_prefix(1);
  const std::size_t end =
      std::min(quoted ? line.find(u'"') : line.find_first_of(kWhiteSpace), line.size());
  arguments.emplace_back(line.substr(0, end));
  line.remove_prefix(quoted && end < line.size() ? end + 1 : end);

  bool inside = false;
  bool between = true;
  line.remove_prefix(std::min(line.find_first_not_of(kWhiteSpace), line.size()));
  while (!line.empty()) {
    if (!inside && kWhiteSpace.find(line[0]) != std::u16string_view::npos) {
      between = true;
      line.remove_prefix(1);
      continue;
    }
    if (between) arguments.emplace_back();
    between = false;
    std::u16string& argument = arguments.back();
    const std::size_t backslashes = run_length(line, u'\\');
    line.remove_prefix(backslashes);
    const std::size_t quotes = run_length(line, u'"');
    line.remove_prefix(quotes);
    if (quotes == 0) {
      argument.append(backslashes, u'\\');
      if (backslashes == 0) {
        argument += line[0];
        line.remove_prefix(1);
      }
      continue;
    }
    argument.append(backslashes / 2, u'\\');
    argument.append(backslashes % 2, u'"');
    // Of those that act every third is literal and closes, the one that opened being the first.
    const std::size_t acting = quotes - backslashes % 2 + (inside ? 1 : 0);
    argument.append(acting / 3, u'"');
    inside = acting % 3 == 1;
  }
  return arguments;
}

void check(const std::vector<char16_t>& line) {
  const std::size_t size = line.size();
  const std::vector<std::u16string> expected = split({line.data(), size});

  std::vector<char16_t> scratch(size);
  pidentity::WindowsCommandLine apart({line.data(), size}, scratch.data());
  // Likewise with the line's own memory as scratch.
  std::vector<char16_t> shared = line;
  pidentity::WindowsCommandLine in_place({shared.data(), size}, shared.data());

  const char16_t* written = scratch.data();
  for (const std::u16string& argument : expected) {
    const auto one = apart.next();
    const auto other = in_place.next();
    require(one && other && *one == argument && *other == argument);
    // In order and within the scratch memory, none over another.
    require(one->data() >= written && one->data() + one->size() <= scratch.data() + size);
    written = one->data() + one->size();
  }
  require(!apart.next() && !in_place.next());
  // The end stays the end.
  require(!apart.next());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // One unit per byte keeps quotes and backslashes likely; high bytes are halves of surrogates.
  std::vector<char16_t> line(data, data + size);
  for (char16_t& unit : line) unit = unit < 0x80 ? unit : static_cast<char16_t>(0xD780 + unit);
  check(line);

  // Any unit at all: as many bytes as a counted string of the system may have.
  line.resize(size / sizeof(char16_t));
  if (!line.empty()) std::memcpy(line.data(), data, line.size() * sizeof(char16_t));
  check(line);
  return 0;
}
