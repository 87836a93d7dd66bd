#include "parse/cmdline.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"

namespace {

using namespace std::string_view_literals;
using pidentity::CommandLine;

struct Case {
  const char* fear;
  std::string_view bytes;
  std::uint64_t area_length;
  std::vector<std::string_view> arguments;
  std::string_view raw;
};

const std::vector<Case> kCases = {
    {"a kernel thread has no arguments", ""sv, 0, {}, ""sv},
    {"one empty argument is not none", "\0"sv, 0, {""sv}, ""sv},
    {"one argument", "a\0"sv, 0, {"a"sv}, "a"sv},
    {"two arguments", "a\0b\0"sv, 0, {"a"sv, "b"sv}, "a\0b"sv},
    {"a missing final NUL still ends the last argument", "a\0b"sv, 0, {"a"sv, "b"sv}, "a\0b"sv},
    {"a lone unterminated string", "a"sv, 0, {"a"sv}, "a"sv},
    {"a trailing empty argument survives", "a\0b\0\0"sv, 0, {"a"sv, "b"sv, ""sv}, "a\0b\0"sv},
    {"two trailing empty arguments survive",
     "a\0b\0\0\0"sv,
     0,
     {"a"sv, "b"sv, ""sv, ""sv},
     "a\0b\0\0"sv},
    {"an empty argument in the middle survives", "a\0\0b\0"sv, 0, {"a"sv, ""sv, "b"sv}, "a\0\0b"sv},
    {"an empty first argument survives", "\0b\0"sv, 0, {""sv, "b"sv}, "\0b"sv},
    {"an unterminated empty first argument survives", "\0b"sv, 0, {""sv, "b"sv}, "\0b"sv},
    {"a title's padding is not arguments", "a title\0\0\0\0"sv, 0, {"a title"sv}, "a title"sv},
    {"the shortest padding", "a\0\0"sv, 0, {"a"sv}, "a"sv},
    {"an empty title's padding", "\0\0\0"sv, 0, {""sv}, ""sv},
    {"newlines and quotes are part of arguments",
     "sh\0-c\0echo \"a\nb\"\0"sv,
     0,
     {"sh"sv, "-c"sv, "echo \"a\nb\""sv},
     "sh\0-c\0echo \"a\nb\""sv},
    {"bytes that are no UTF-8 pass through",
     "\xff\xfe\0\x80\0"sv,
     0,
     {"\xff\xfe"sv, "\x80"sv},
     "\xff\xfe\0\x80"sv},
    {"an area of exactly these bytes cuts nothing", "a\0b\0"sv, 4, {"a"sv, "b"sv}, "a\0b"sv},
    {"a longer area cuts nothing", "a\0b\0"sv, 100, {"a"sv, "b"sv}, "a\0b"sv},
    {"an area beyond 32 bits cuts nothing", "a\0"sv, UINT64_MAX, {"a"sv}, "a"sv},
    {"the environment behind the area is not an argument",
     "a\0bSECRET=1\0"sv,
     3,
     {"a"sv, "b"sv},
     "a\0b"sv},
    {"a title that runs on into the environment is cut",
     "a long title\0"sv,
     6,
     {"a long"sv},
     "a long"sv},
    {"an area that ends in padding", "a\0\0SECRET=1\0"sv, 3, {"a"sv}, "a"sv},
};

}  // namespace

int main() {
  for (const Case& test_case : kCases) {
    check::test(test_case.fear, [&] {
      CommandLine command_line(test_case.bytes, test_case.area_length);
      check::equal(command_line.raw(), test_case.raw);
      std::vector<std::string_view> arguments;
      std::string_view argument;
      while (command_line.next(argument)) arguments.push_back(argument);
      check::equal(arguments.size(), test_case.arguments.size());
      for (std::size_t i = 0; i < arguments.size() && i < test_case.arguments.size(); ++i) {
        check::equal(arguments[i], test_case.arguments[i]);
      }
      check::equal(command_line.next(argument), false);
    });
  }

  check::test("a million arguments", [] {
    std::string bytes;
    for (int i = 0; i < 1'000'000; ++i) bytes += "x\0"sv;
    CommandLine command_line(bytes, bytes.size());
    int count = 0;
    for (std::string_view argument; command_line.next(argument);) count += argument == "x";
    check::equal(count, 1'000'000);
  });

  return check::report();
}
