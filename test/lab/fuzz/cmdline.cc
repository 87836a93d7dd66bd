// libFuzzer harness: any bytes, any area length.
//
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Inative
//       test/lab/fuzz/cmdline.cc native/parse/cmdline.cc -o fuzz-cmdline
#include "parse/cmdline.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint64_t area_length = 0;
  // The first byte is the area's length: around that of the bytes it matters, elsewhere it does
  // not.
  if (size > 0) {
    area_length = data[0] == 0xff ? UINT64_MAX : data[0];
    ++data;
    --size;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string_view area =
      area_length > 0 && size > area_length ? bytes.substr(0, area_length) : bytes;

  pidentity::CommandLine command_line(bytes, area_length);
  const std::string_view raw = command_line.raw();
  // Nothing but the start of the area, never a byte of the environment behind it; what was left off
  // is the terminator and padding.
  require(raw.size() <= area.size());
  require(raw.empty() || raw.data() == area.data());
  require(area.find_first_not_of('\0', raw.size()) == std::string_view::npos);

  std::string joined;
  std::size_t count = 0;
  for (std::string_view argument; command_line.next(argument); ++count) {
    require(argument.find('\0') == std::string_view::npos);
    if (count > 0) joined += '\0';
    joined += argument;
  }
  require(joined == raw);
  require((count == 0) == area.empty());
  return 0;
}
