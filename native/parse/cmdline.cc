#include "parse/cmdline.h"

namespace pidentity {

CommandLine::CommandLine(std::string_view bytes, std::uint64_t area_length) {
  if (area_length > 0 && bytes.size() > area_length) {
    bytes = bytes.substr(0, static_cast<std::size_t>(area_length));
  }
  more_ = !bytes.empty();
  if (bytes.empty()) return;

  const std::size_t first_end = bytes.find('\0');
  const bool lone_string = first_end != std::string_view::npos &&
                           bytes.find_first_not_of('\0', first_end) == std::string_view::npos;
  if (lone_string) {
    raw_ = bytes.substr(0, first_end);
  } else {
    if (bytes.back() == '\0') bytes.remove_suffix(1);
    raw_ = bytes;
  }
}

bool CommandLine::next(std::string_view& argument) {
  if (!more_) return false;
  const std::size_t end = raw_.find('\0', at_);
  if (end == std::string_view::npos) {
    argument = raw_.substr(at_);
    more_ = false;
  } else {
    argument = raw_.substr(at_, end - at_);
    at_ = end + 1;
  }
  return true;
}

}  // namespace pidentity
