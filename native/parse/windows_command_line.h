// Splits a Windows command line into arguments, as the system's own CommandLineToArgvW does.
//
// Windows hands a process one string; every program splits it for itself. CommandLineToArgvW is the
// documented rule. It is not called here because it ends at the first NUL, allocates, and for an
// empty line answers with the path of the *calling* program. Pure, so that it is tested everywhere.
#ifndef PIDENTITY_NATIVE_PARSE_WINDOWS_COMMAND_LINE_H_
#define PIDENTITY_NATIVE_PARSE_WINDOWS_COMMAND_LINE_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace pidentity {

// Yields the arguments of one command line, in order.
//
// - A line without a single unit has no arguments. White space is space and tab, nothing else.
// - The first argument is the program. It knows no escapes: an opening quote ends at the next quote
//   whatever follows, otherwise at white space. A line that starts with white space names an empty
//   program.
// - In the others 2n backslashes before a quote are n backslashes and a quote that opens or closes,
//   2n + 1 are n backslashes and a literal quote; elsewhere a backslash is only itself. Of
//   consecutive quotes every third, counted from the one that opened, is a literal quote and ends
//   the quoted part.
// - Units are not interpreted: NUL, lone surrogates and control characters are ordinary.
class WindowsCommandLine {
 public:
  // `scratch` has room for line.size() units and may be the line's own memory: an argument is
  // never longer than its source and is written to the place where that began.
  WindowsCommandLine(std::u16string_view line, char16_t* scratch) noexcept
      : line_(line), scratch_(scratch) {}

  // The next argument, or nothing at the end. The view is valid as long as the scratch memory.
  [[nodiscard]] std::optional<std::u16string_view> next() noexcept;

 private:
  [[nodiscard]] std::u16string_view program() noexcept;
  [[nodiscard]] std::u16string_view argument() noexcept;
  void skip_white_space() noexcept;

  std::u16string_view line_;
  char16_t* scratch_;
  std::size_t position_ = 0;
  bool at_program_ = true;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_PARSE_WINDOWS_COMMAND_LINE_H_
