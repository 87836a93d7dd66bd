// The parser against the system's CommandLineToArgvW over generated command lines.
//
//   command_line_corpus_test.exe [count [seed]]
// clang-format off: shellapi.h needs what windows.h declares
#include <windows.h>
#include <shellapi.h>
// clang-format on

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "parse/windows_command_line.h"

namespace {

using Arguments = std::vector<std::u16string>;

constexpr unsigned long kDefaultCount = 500'000;
constexpr unsigned long kDefaultSeed = 20'240'607;

// What decides, often; everything else, seldom: controls, lone and paired surrogates, the ends of
// the range, other scripts' spaces, which are none here.
constexpr std::u16string_view kDeciding = u"\"\"\"\"\\\\\\\\\\  \t\tab";
constexpr char16_t kRare[] = {u'\n',  u'\r',  u'\x01', u'\x0B', u'\x1F', u'\x7F', u'\xA0',
                              0x00E4, 0x20AC, 0x2028,  0x3000,  0xD83D,  0xDE00,  0xD800,
                              0xDFFF, 0xFEFF, 0xFFFE,  0xFFFF,  u'\'',   u'^',    u'%'};

class Generator {
 public:
  explicit Generator(unsigned long seed) : engine_(seed) {}

  std::u16string line() {
    // Almost every line is short: all the cases are there, and many of them are tried.
    const std::size_t length = below(200) == 0 ? below(8'000) : below(below(4) == 0 ? 80 : 14);
    std::u16string text;
    bool in_program = true;
    bool program_quoted = false;
    while (text.size() < length) {
      const char16_t unit =
          below(12) == 0 ? kRare[below(std::size(kRare))] : kDeciding[below(kDeciding.size())];
      // Windows itself ends an unquoted program name at every control character, Wine only at
      // space and tab, as the C runtimes do. No file name can contain one.
      const bool control = unit < u' ' && unit != u'\t';
      if (in_program && control) continue;
      if (text.empty()) {
        program_quoted = unit == u'"';
      } else if (in_program && (program_quoted ? unit == u'"' : unit == u' ' || unit == u'\t')) {
        in_program = false;
      }
      text += unit;
    }
    return text;
  }

 private:
  // std::uniform_int_distribution differs between libraries; the corpus must not.
  std::size_t below(std::size_t limit) { return engine_() % limit; }

  std::mt19937_64 engine_;
};

Arguments ask_windows(const std::u16string& line) {
  Arguments arguments;
  // For an empty line it would answer with this program's own path.
  if (line.empty()) return arguments;
  int count = 0;
  wchar_t** values = CommandLineToArgvW(reinterpret_cast<const wchar_t*>(line.c_str()), &count);
  if (values == nullptr) {
    std::printf("CommandLineToArgvW failed: %lu\n", GetLastError());
    std::exit(2);
  }
  for (int index = 0; index < count; ++index) {
    arguments.emplace_back(reinterpret_cast<const char16_t*>(values[index]));
  }
  LocalFree(values);
  return arguments;
}

Arguments split(std::u16string_view line, char16_t* scratch) {
  Arguments arguments;
  pidentity::WindowsCommandLine parser(line, scratch);
  while (const auto argument = parser.next()) arguments.emplace_back(*argument);
  return arguments;
}

void print(const char* what, const Arguments& arguments) {
  std::printf("  %s:", what);
  for (const auto& argument : arguments) {
    std::printf(" [");
    for (const char16_t unit : argument) {
      if (unit > u' ' && unit < 0x7F) {
        std::printf("%c", unit);
      } else {
        std::printf("\\u%04x", static_cast<unsigned>(unit));
      }
    }
    std::printf("]");
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned long count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : kDefaultCount;
  const unsigned long seed = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : kDefaultSeed;
  if (count == 0) {
    std::printf("usage: command_line_corpus_test [count [seed]]\n");
    return 2;
  }
  Generator generator(seed);
  unsigned long different = 0;
  unsigned long quoted = 0;
  unsigned long long arguments = 0;
  for (unsigned long index = 0; index < count; ++index) {
    const std::u16string line = generator.line();
    const Arguments expected = ask_windows(line);
    std::vector<char16_t> scratch(line.size() + 1);
    std::u16string in_place = line;
    const Arguments apart = split(line, scratch.data());
    const Arguments over_itself = split(in_place, in_place.data());
    arguments += expected.size();
    for (const auto& argument : expected) {
      if (argument.find(u'"') != std::u16string::npos) {
        ++quoted;
        break;
      }
    }
    if (apart == expected && over_itself == expected) continue;
    if (++different > 10) continue;
    std::printf("differs for line %lu of seed %lu\n", index, seed);
    print("line", {line});
    print("system", expected);
    print("parser", apart);
    print("parser in place", over_itself);
  }
  std::printf("%lu command lines, %llu arguments, %lu lines with literal quotes, %lu differ\n",
              count, arguments, quoted, different);
  const bool passed = different == 0 && quoted > 0;
  std::printf("1 tests, %d failed\n", passed ? 0 : 1);
  return passed ? 0 : 1;
}
