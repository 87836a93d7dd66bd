// Reads what macOS answers to sysctl {CTL_KERN, KERN_PROCARGS2, pid}: the strings at the top of a
// process's stack, as exec put them there and as the process may have changed them since.
//
// Layout (XNU bsd/kern/kern_sysctl.c sysctl_procargsx, bsd/kern/kern_exec.c exec_extract_strings):
//
//   int argc | exec path, NUL | NULs up to a multiple of 8 | argc strings | environment | apple
//   strings
//
// Nothing marks where the arguments end and the environment begins but argc, which exec wrote once.
// Environment strings carry secrets and are never delivered. Pure, so that it is tested everywhere.
#ifndef PIDENTITY_NATIVE_PARSE_PROCARGS2_H_
#define PIDENTITY_NATIVE_PARSE_PROCARGS2_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace pidentity {

// The arguments of one process, in order. Views into the parsed bytes.
//
// - The padding is counted, not skipped: NULs beyond it are an empty argv[0].
// - Exactly argc strings, each ended by its NUL; empty ones count.
// - A rewritten title (Node's process.title writes over the argument strings, fills their memory up
//   with NULs and leaves argc as it was) is the only argument. Its traces:
//   - a shorter one: nothing but empty strings follow it up to argc, and then another NUL, or the
//     end of the bytes, or the first string is not the program's name. Empty arguments passed to
//     exec follow the program's name and are followed by the environment.
//   - a longer one: fewer NULs are left than arguments are to come, so that argc reaches into the
//     environment. What follows the title, empty strings apart, is of the form NAME=value without
//     exception, and the first string is not the program's name, as it is for `dd if=a of=b`.
class Procargs2 {
 public:
  // Nothing when the bytes do not hold a path and argc terminated strings: cut short, or written
  // over by the process itself.
  [[nodiscard]] static std::optional<Procargs2> parse(std::string_view bytes) noexcept;

  // The argument strings with the NULs between them, without the last one's NUL.
  [[nodiscard]] std::string_view raw() const noexcept { return raw_; }

  // The next argument, or nothing at the end.
  [[nodiscard]] std::optional<std::string_view> next() noexcept;

 private:
  Procargs2(std::string_view raw, std::size_t count) noexcept
      : raw_(raw), rest_(raw), left_(count) {}

  std::string_view raw_;
  std::string_view rest_;
  std::size_t left_;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_PARSE_PROCARGS2_H_
