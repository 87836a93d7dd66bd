// libFuzzer: the kernel's answer is under the control of the process it describes.
#include "parse/procargs2.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

namespace {

void require(bool fact) {
  if (!fact) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::optional<pidentity::Procargs2> parsed = pidentity::Procargs2::parse(bytes);
  if (!parsed) return 0;

  int argc = 0;
  std::memcpy(&argc, data, sizeof argc);
  const std::string_view raw = parsed->raw();
  require(raw.data() >= bytes.data() && raw.data() + raw.size() <= bytes.data() + size);

  // The arguments are the raw bytes between NULs, as many as argc says or a title alone.
  std::size_t count = 0;
  const char* expected = raw.data();
  while (const std::optional<std::string_view> argument = parsed->next()) {
    require(argument->data() == expected);
    require(argument->find('\0') == std::string_view::npos);
    expected = argument->data() + argument->size() + 1;
    ++count;
  }
  require(count == 0 ? raw.empty() : expected == raw.data() + raw.size() + 1);
  require(count == static_cast<std::size_t>(argc) || (argc > 1 && count == 1));
  return 0;
}
