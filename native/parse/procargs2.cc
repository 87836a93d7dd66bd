#include "parse/procargs2.h"

#include <cstring>

namespace pidentity {

namespace {

// exec aligns the first argument to the pointer size of the new program; macOS 11 and later run
// 64-bit programs only.
constexpr std::size_t kPathAlignment = 8;

std::string_view base_name(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// A login shell is called "-zsh".
bool names_program(std::string_view argument, std::string_view exec_path) noexcept {
  if (!argument.empty() && argument.front() == '-') argument.remove_prefix(1);
  return base_name(argument) == base_name(exec_path);
}

// In doubt it is environment: showing a secret is worse than losing an argument. Names may hold any
// byte. Not an option ("--a=b"), though: environment names never begin with a dash in practice.
bool is_environment_like(std::string_view text) noexcept {
  const std::size_t equals = text.find('=');
  return equals != std::string_view::npos && equals > 0 && text.front() != '-';
}

}  // namespace

std::optional<Procargs2> Procargs2::parse(std::string_view bytes) noexcept {
  int argc = 0;
  if (bytes.size() < sizeof argc) return std::nullopt;
  std::memcpy(&argc, bytes.data(), sizeof argc);
  if (argc < 0) return std::nullopt;
  const auto count = static_cast<std::size_t>(argc);
  bytes.remove_prefix(sizeof argc);

  const std::size_t path_size = bytes.find('\0');
  if (path_size == std::string_view::npos) return std::nullopt;
  const std::string_view exec_path = bytes.substr(0, path_size);

  // At most the padding that the path asks for: one NUL more is already an empty argv[0]. A byte
  // that is not NUL ends it early, so that another alignment costs no argument.
  const std::size_t padded = (path_size + kPathAlignment) / kPathAlignment * kPathAlignment;
  std::size_t start = path_size + 1;
  while (start < padded && start < bytes.size() && bytes[start] == '\0') ++start;
  if (count == 0) return Procargs2(bytes.substr(start, 0), 0);

  std::string_view first;
  bool only_empty = true;        // after the first argument
  bool only_environment = true;  // after the first argument, empty strings apart
  std::size_t position = start;
  for (std::size_t index = 0; index < count; ++index) {
    const std::size_t end = bytes.find('\0', position);
    // Also bounds the loop for a hostile argc: every turn uses up at least one byte.
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view argument = bytes.substr(position, end - position);
    position = end + 1;
    if (index == 0) {
      first = argument;
    } else if (!argument.empty()) {
      only_empty = false;
      only_environment = only_environment && is_environment_like(argument);
    }
  }

  const bool renamed = !names_program(first, exec_path);
  const bool short_title =
      only_empty && (renamed || position == bytes.size() || bytes[position] == '\0');
  const bool long_title = !only_empty && only_environment && renamed;
  if (count > 1 && (short_title || long_title)) return Procargs2(first, 1);
  return Procargs2(bytes.substr(start, position - 1 - start), count);
}

std::optional<std::string_view> Procargs2::next() noexcept {
  if (left_ == 0) return std::nullopt;
  --left_;
  const std::size_t end = rest_.find('\0');
  const std::string_view argument = rest_.substr(0, end);
  rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
  return argument;
}

}  // namespace pidentity
