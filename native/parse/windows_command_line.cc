#include "parse/windows_command_line.h"

namespace pidentity {
namespace {

constexpr bool is_white_space(char16_t unit) noexcept { return unit == u' ' || unit == u'\t'; }

}  // namespace

std::optional<std::u16string_view> WindowsCommandLine::next() noexcept {
  if (position_ >= line_.size()) return std::nullopt;
  const std::u16string_view found = at_program_ ? program() : argument();
  at_program_ = false;
  // White space at the end of the line starts no further argument.
  skip_white_space();
  return found;
}

void WindowsCommandLine::skip_white_space() noexcept {
  while (position_ < line_.size() && is_white_space(line_[position_])) ++position_;
}

std::u16string_view WindowsCommandLine::program() noexcept {
  const bool quoted = line_[position_] == u'"';
  if (quoted) ++position_;
  char16_t* const begin = scratch_ + position_;
  char16_t* end = begin;
  for (; position_ < line_.size(); ++position_) {
    const char16_t unit = line_[position_];
    if (quoted ? unit == u'"' : is_white_space(unit)) break;
    *end++ = unit;
  }
  if (quoted && position_ < line_.size()) ++position_;
  return {begin, static_cast<std::size_t>(end - begin)};
}

std::u16string_view WindowsCommandLine::argument() noexcept {
  char16_t* const begin = scratch_ + position_;
  char16_t* end = begin;
  // Quotes since the quoted part opened: 0 outside, 1 inside. Two are a part that closed, three a
  // part that closed and a literal quote.
  unsigned quotes = 0;
  std::size_t backslashes = 0;
  while (position_ < line_.size()) {
    const char16_t unit = line_[position_];
    if (quotes == 0 && is_white_space(unit)) break;
    ++position_;
    if (unit != u'"') {
      backslashes = unit == u'\\' ? backslashes + 1 : 0;
      *end++ = unit;
      continue;
    }
    // The backslashes were copied when they were met; half of them stay.
    end -= backslashes - backslashes / 2;
    if (backslashes % 2 == 0) {
      ++quotes;
    } else {
      *end++ = u'"';
    }
    backslashes = 0;
    for (; position_ < line_.size() && line_[position_] == u'"'; ++position_) {
      if (++quotes == 3) {
        *end++ = u'"';
        quotes = 0;
      }
    }
    if (quotes == 2) quotes = 0;
  }
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace pidentity
