#include "parse/proc_stat.h"

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"

namespace {

using pidentity::parse_proc_stat;
using pidentity::ProcStat;

// A real line: `sleep 100` on Linux 6.18.
const std::vector<std::string> kFields = {"4711",
                                          "(sleep)",
                                          "S",
                                          "4000",
                                          "4711",
                                          "4000",
                                          "34816",
                                          "4711",
                                          "4194304",
                                          "105",
                                          "0",
                                          "1",
                                          "0",
                                          "0",
                                          "0",
                                          "0",
                                          "0",
                                          "20",
                                          "0",
                                          "1",
                                          "0",
                                          "202477",
                                          "5664768",
                                          "464",
                                          "18446744073709551615",
                                          "94190531788800",
                                          "94190531806089",
                                          "140723127363840",
                                          "0",
                                          "0",
                                          "0",
                                          "0",
                                          "0",
                                          "0",
                                          "1",
                                          "0",
                                          "0",
                                          "17",
                                          "1",
                                          "0",
                                          "0",
                                          "0",
                                          "0",
                                          "0",
                                          "94190531820528",
                                          "94190531821696",
                                          "94190885302272",
                                          "140723127370893",
                                          "140723127370903",
                                          "140723127370903",
                                          "140723127373801",
                                          "0"};

// The line with field `number` (counted from 1, as in proc_pid_stat(5)) replaced.
std::string line_with(std::size_t number, const std::string& value) {
  std::string line;
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    if (i > 0) line += ' ';
    line += i + 1 == number ? value : kFields[i];
  }
  return line + '\n';
}

const std::string kLine = line_with(0, "");

void expect_sleep(const ProcStat& stat) {
  check::equal(stat.state, 'S');
  check::equal(stat.ppid, 4000U);
  check::equal(stat.flags, 4194304U);
  check::equal(stat.num_threads, 1U);
  check::equal(stat.start_time, 202477);
  check::equal(stat.exit_signal, 17);
  check::equal(stat.arg_start, 140723127370893U);
  check::equal(stat.arg_end, 140723127370903U);
  check::equal(stat.env_end, 140723127373801U);
  check::equal(stat.arg_length(), 10U);
}

}  // namespace

int main() {
  check::test("every field is the one that proc_pid_stat(5) numbers so", [] {
    ProcStat stat;
    check::equal(parse_proc_stat(kLine, stat), true);
    expect_sleep(stat);
  });

  for (const std::string name : {"(a b)", "(a) S 1 2 3)", "())))", "()", "(\n)", "( S 1 1 1)",
                                 "(\xff\xfe)", "(a\nb) Z 0)", "(((((((()"}) {
    check::test(("a name cannot shift the fields: " + name).c_str(), [&] {
      ProcStat stat;
      check::equal(parse_proc_stat(line_with(2, name), stat), true);
      expect_sleep(stat);
    });
  }

  check::test("a line cut anywhere before field 22 is refused, later fields default", [] {
    const std::size_t needed = kLine.find(" 5664768");
    for (std::size_t size = 0; size < kLine.size(); ++size) {
      ProcStat stat;
      const bool parsed = parse_proc_stat(std::string_view(kLine).substr(0, size), stat);
      // Cut inside the start time it is a shorter number: only a whole read can tell.
      if (size < needed - 5) check::equal(parsed, false);
      if (size >= needed) {
        check::equal(parsed, true);
        check::equal(stat.start_time, 202477);
      }
    }
  });

  check::test("an old kernel's short line leaves the addresses unknown", [] {
    ProcStat stat;
    check::equal(
        parse_proc_stat(std::string_view(kLine).substr(0, kLine.find(" 94190531820528")), stat),
        true);
    check::equal(stat.exit_signal, 17);
    check::equal(stat.arg_length(), 0U);
  });

  struct Refused {
    const char* fear;
    std::size_t field;
    std::string value;
  };
  for (const Refused& refused : std::vector<Refused>{
           {"a negative parent", 4, "-1"},
           {"a parent beyond 32 bits", 4, "4294967296"},
           {"a parent that is no number", 4, "x"},
           {"a parent with a tail", 4, "12x"},
           {"a sign alone", 4, "-"},
           {"an empty parent field", 4, ""},
           {"flags beyond 32 bits", 9, "4294967296"},
           {"a negative thread count", 20, "-1"},
           {"a negative start time", 22, "-1"},
           {"a start time beyond what a double holds exactly", 22, "9007199254740992"},
           {"a start time beyond 64 bits", 22, "18446744073709551616"},
           {"a start time of a thousand digits", 22, std::string(1000, '9')},
           {"a fractional start time", 22, "1.5"},
           {"a hexadecimal start time", 22, "0x10"},
           {"a state of two letters", 3, "SS"},
           {"a state that is no letter", 3, "1"},
           {"an empty state", 3, ""},
       }) {
    check::test(refused.fear, [&] {
      ProcStat stat;
      check::equal(parse_proc_stat(line_with(refused.field, refused.value), stat), false);
    });
  }

  check::test("limits of the types are accepted", [] {
    ProcStat stat;
    check::equal(parse_proc_stat(line_with(22, "9007199254740991"), stat), true);
    check::equal(stat.start_time, 9007199254740991);
    check::equal(parse_proc_stat(line_with(9, "4294967295"), stat), true);
    check::equal(stat.flags, 4294967295U);
    check::equal(parse_proc_stat(line_with(49, "18446744073709551615"), stat), true);
    check::equal(stat.arg_end, UINT64_MAX);
  });

  check::test("a thread that does not lead shows exit signal -1", [] {
    ProcStat stat;
    check::equal(parse_proc_stat(line_with(38, "-1"), stat), true);
    check::equal(stat.exit_signal, -1);
    check::equal(stat.arg_length(), 10U);
  });

  check::test("a later field that is no number leaves the rest unknown, not the line", [] {
    ProcStat stat;
    check::equal(parse_proc_stat(line_with(38, "-"), stat), true);
    check::equal(stat.exit_signal, 0);
    check::equal(stat.arg_length(), 0U);
    check::equal(parse_proc_stat(line_with(48, "x"), stat), true);
    check::equal(stat.arg_length(), 0U);
    check::equal(parse_proc_stat(line_with(48, "18446744073709551616"), stat), true);
    check::equal(stat.arg_length(), 0U);
  });

  check::test("an argument area that ends before it starts is no area", [] {
    ProcStat stat;
    check::equal(parse_proc_stat(line_with(49, "1"), stat), true);
    check::equal(stat.arg_length(), 0U);
  });

  check::test("an argument area whose start execve() has not yet set has no length", [] {
    ProcStat stat;
    check::equal(parse_proc_stat(line_with(48, "0"), stat), true);
    check::equal(stat.arg_end, 140723127370903U);
    check::equal(stat.arg_length(), 0U);
  });

  check::test("no bytes from an earlier line stay", [] {
    ProcStat stat;
    check::equal(parse_proc_stat(kLine, stat), true);
    check::equal(parse_proc_stat("1 (x) R 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 7", stat), true);
    check::equal(stat.start_time, 7);
    check::equal(stat.exit_signal, 0);
    check::equal(stat.arg_length(), 0U);
  });

  for (const std::string_view garbage :
       {"", ")", "(", ") ", ") S", ") S ", "1 (x)", "1 (x) ", "\n\n\n", "          ", ")))))))",
        ")                  "}) {
    check::test("garbage is refused", [&] {
      ProcStat stat;
      check::equal(parse_proc_stat(garbage, stat), false);
    });
  }

#ifdef __linux__
  check::test("this kernel's own line is understood", [] {
    std::ifstream file("/proc/self/stat");
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    ProcStat stat;
    check::equal(parse_proc_stat(line, stat), true);
    check::equal(stat.state, 'R');
    check::equal(stat.num_threads, 1U);
    check::equal(stat.exit_signal, 17);
    check::equal(stat.start_time > 0, true);
    check::equal(stat.arg_length() > 0, true);
  });
#endif

  return check::report();
}
