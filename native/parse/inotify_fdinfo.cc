#include "parse/inotify_fdinfo.h"

#include <charconv>
#include <cstddef>
#include <system_error>

namespace pidentity {
namespace {

constexpr std::uint32_t kAllEvents = 0xfff;  // include/uapi/linux/inotify.h IN_ALL_EVENTS

// Takes `key` and the hexadecimal number behind it off the front of `line`; the number ends at a
// space.
template <typename Integer>
bool take(std::string_view& line, std::string_view key, Integer& value) {
  if (line.substr(0, key.size()) != key) return false;
  const char* const end = line.data() + line.size();
  const auto [stop, error] = std::from_chars(line.data() + key.size(), end, value, 16);
  if (error != std::errc() || stop == end || *stop != ' ') return false;
  line.remove_prefix(static_cast<std::size_t>(stop - line.data()) + 1);
  return true;
}

}  // namespace

bool has_inotify_watch(std::string_view text, std::uint64_t inode, std::uint32_t events) {
  for (std::size_t end; (end = text.find('\n')) != std::string_view::npos;) {
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    std::uint32_t watch = 0;
    std::uint64_t found = 0;
    std::uint32_t device = 0;
    std::uint32_t mask = 0;
    if (take(line, "inotify wd:", watch) && take(line, "ino:", found) &&
        take(line, "sdev:", device) && take(line, "mask:", mask) && found == inode &&
        (mask & kAllEvents) == events) {
      return true;
    }
  }
  return false;
}

}  // namespace pidentity
