// A test runner in a few lines: `check::test("the fear", [] { ... })` names one, `check::equal`
// fails it, `return check::report();` ends main().
#ifndef PIDENTITY_TEST_NATIVE_UNIT_CHECK_H_
#define PIDENTITY_TEST_NATIVE_UNIT_CHECK_H_

#include <cstdio>
#include <ostream>
#include <source_location>
#include <sstream>
#include <string>

namespace check {

inline int tests = 0;
inline int failed_tests = 0;
inline int failures_in_test = 0;

template <typename T>
std::string show(const T& value) {
  std::ostringstream text;
  text << std::boolalpha << value;
  std::string shown;
  // NULs and control characters as they would be written in source.
  for (const char c : text.str()) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, c >= ' ' && c != '\\' ? "%c" : "\\x%02x",
                  static_cast<unsigned char>(c));
    shown += escaped;
  }
  return shown;
}

template <typename Got, typename Want>
void equal(const Got& got, const Want& want,
           const std::source_location at = std::source_location::current()) {
  if (got == want) return;
  ++failures_in_test;
  std::fprintf(stderr, "  %s:%u: got %s, want %s\n", at.file_name(), at.line(), show(got).c_str(),
               show(want).c_str());
}

template <typename Body>
void test(const char* fear, Body body) {
  failures_in_test = 0;
  body();
  ++tests;
  if (failures_in_test == 0) return;
  ++failed_tests;
  std::fprintf(stderr, "FAILED: %s\n", fear);
}

inline int report() {
  std::printf("%d tests, %d failed\n", tests, failed_tests);
  return tests > 0 && failed_tests == 0 ? 0 : 1;
}

}  // namespace check

#endif  // PIDENTITY_TEST_NATIVE_UNIT_CHECK_H_
