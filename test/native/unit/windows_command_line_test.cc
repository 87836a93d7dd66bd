// parse/windows_command_line: the rules of CommandLineToArgvW, one fear per test. The same parser
// is compared with the system's own function in test/lab/windows/native.
#include "parse/windows_command_line.h"

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"

namespace {

// Memory of exactly the promised size, so that a sanitizer sees one unit too many.
std::vector<std::u16string> split(std::u16string_view line) {
  const std::unique_ptr<char16_t[]> text(new char16_t[line.size()]);
  const std::unique_ptr<char16_t[]> scratch(new char16_t[line.size()]);
  line.copy(text.get(), line.size());
  pidentity::WindowsCommandLine parser({text.get(), line.size()}, scratch.get());
  std::vector<std::u16string> arguments;
  while (const auto argument = parser.next()) arguments.emplace_back(*argument);
  return arguments;
}

// The arguments in brackets, everything but printable ASCII as a number.
std::string shown(const std::vector<std::u16string>& arguments) {
  std::string text;
  for (const auto& argument : arguments) {
    text += '[';
    for (const char16_t unit : argument) {
      if (unit >= u' ' && unit < 0x7F) {
        text += static_cast<char>(unit);
      } else {
        text += "<" + std::to_string(unit) + ">";
      }
    }
    text += ']';
  }
  return text;
}

void splits(std::u16string_view line, const char* expected,
            const std::source_location at = std::source_location::current()) {
  check::equal(shown(split(line)), std::string(expected), at);
}

}  // namespace

int main() {
  check::test("an empty line is not the caller's path", [] { splits(u"", ""); });
  check::test("leading white space names an empty program", [] {
    splits(u" ", "[]");
    splits(u"\t \t", "[]");
    splits(u" a b", "[][a][b]");
  });
  check::test("the program knows no escapes", [] {
    splits(u"\"C:\\a b\\\" x", "[C:\\a b\\][x]");
    splits(u"a\"b c\"d", "[a\"b][cd]");
    splits(u"a\\\"b c", "[a\\\"b][c]");
  });
  check::test("a quoted program ends at the next quote", [] {
    splits(u"\"a\"b c", "[a][b][c]");
    splits(u"\"a\"\"b\"", "[a][b]");
    splits(u"\"\"", "[]");
    splits(u"\"\" x", "[][x]");
  });
  check::test("a quote that never closes reaches to the end", [] {
    splits(u"\"", "[]");
    splits(u"\"a b", "[a b]");
    splits(u"p \"a b ", "[p][a b ]");
  });
  check::test("trailing white space is no argument", [] { splits(u"p a \t ", "[p][a]"); });
  check::test("empty arguments survive", [] {
    splits(u"p \"\" a \"\"", "[p][][a][]");
    splits(u"p \"\"", "[p][]");
  });
  check::test("only space and tab separate",
              [] { splits(u"p a\nb\vc\u00A0d\u3000e\tf", "[p][a<10>b<11>c<160>d<12288>e][f]"); });
  check::test("backslashes are themselves but before a quote", [] {
    splits(u"p a\\\\b c\\", "[p][a\\\\b][c\\]");
    splits(u"p \\ \\\\ x", "[p][\\][\\\\][x]");
  });
  check::test("an even number of backslashes lets the quote act", [] {
    splits(u"p a\\\\\"b c\"", "[p][a\\b c]");
    splits(u"p \"a\\\\\" b", "[p][a\\][b]");
  });
  check::test("an odd number of backslashes makes the quote literal", [] {
    splits(u"p a\\\"b c", "[p][a\"b][c]");
    splits(u"p a\\\\\\\"b", "[p][a\\\"b]");
    splits(u"p \"a\\\"b c\"", "[p][a\"b c]");
  });
  check::test("backslashes that a unit follows do not count for a later quote",
              [] { splits(u"p \\\\x\"a b\"", "[p][\\\\xa b]"); });
  check::test("two quotes inside quotes close and the third is literal", [] {
    splits(u"p \"a\"\"b\" c", "[p][a\"b c]");
    splits(u"p \"a\"\"b c\" d", "[p][a\"b][c d]");
    splits(u"p \"\"\"a b", "[p][\"a][b]");
    splits(u"p \"\"\"\"a b\" c", "[p][\"a b][c]");
    splits(u"p \"\"\"\"\"\" x", "[p][\"\"][x]");
  });
  check::test("a literal quote may be followed by acting ones", [] {
    splits(u"p \\\"\"\"a b", "[p][\"a][b]");
    splits(u"p \\\"\"a b\"", "[p][\"a b]");
    splits(u"p \"\\\"\"\" x", "[p][\"\"][x]");
  });
  check::test("units are not interpreted",
              [] { splits({u"p a\0b \xD800 \xDC00x", 10}, "[p][a<0>b][<55296>][<56320>x]"); });
  check::test("the longest possible line is split", [] {
    std::u16string line = u"p";
    while (line.size() + 2 <= 32'767) line += u" a";
    check::equal(split(line).size(), std::size_t{16'384});
    check::equal(split(std::u16string(32'767, u'"')).size(), std::size_t{2});
    check::equal(split(std::u16string(32'767, u'\\')).size(), std::size_t{1});
  });
  check::test("splitting in place gives the same, and no argument overwrites another", [] {
    std::mt19937 random(20240607);
    constexpr std::u16string_view kUnits = u"\"\"\\\\  \tab\xD800";
    for (int round = 0; round < 50'000; ++round) {
      std::u16string line;
      for (auto length = random() % 24; length > 0; --length)
        line += kUnits[random() % kUnits.size()];
      std::u16string memory = line;
      pidentity::WindowsCommandLine parser(memory, memory.data());
      std::vector<std::u16string_view> views;
      while (const auto argument = parser.next()) views.push_back(*argument);
      const std::vector<std::u16string> in_place(views.begin(), views.end());
      if (in_place != split(line)) {
        check::equal(shown(in_place), shown(split(line)) + " for " + shown({line}));
        break;
      }
    }
  });
  return check::report();
}
