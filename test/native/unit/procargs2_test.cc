// parse/procargs2: what macOS delivers of a process's stack. One fear per test.
#include "parse/procargs2.h"

#include <climits>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"

namespace {

using pidentity::Procargs2;
using Strings = std::vector<std::string>;

#define CHECK(fact) check::equal(static_cast<bool>(fact), true)

// "a\0b" with its NUL in it.
template <std::size_t kSize>
std::string bytes(const char (&literal)[kSize]) {
  return std::string(literal, kSize - 1);
}

std::string with_argc(int argc, const std::string& area) {
  std::string all(sizeof argc, '\0');
  std::memcpy(all.data(), &argc, sizeof argc);
  return all + area;
}

// What exec writes.
std::string area_of(const std::string& path, const Strings& arguments, const Strings& following) {
  std::string area = path;
  do area.push_back('\0');
  while (area.size() % 8 != 0);
  for (const Strings* list : {&arguments, &following}) {
    for (const std::string& text : *list) area.append(text).push_back('\0');
  }
  return area;
}

const Strings kEnvironment = {"SECRET=hunter2", "PATH=/usr/bin:/bin", "EMPTY="};

struct Parsed {
  Strings list;
  std::string raw;
};

// From memory that ends where the bytes do, so that sanitizers see the first byte read beyond.
std::optional<Parsed> parse(const std::string& input) {
  const auto exact = std::make_unique<char[]>(input.size());
  if (!input.empty()) std::memcpy(exact.get(), input.data(), input.size());
  std::optional<Procargs2> parsed = Procargs2::parse({exact.get(), input.size()});
  if (!parsed) return std::nullopt;
  Parsed result;
  result.raw = parsed->raw();
  while (const std::optional<std::string_view> argument = parsed->next()) {
    result.list.emplace_back(*argument);
  }
  if (parsed->next()) return std::nullopt;
  return result;
}

bool reads(const std::string& input, const Strings& expected) {
  const std::optional<Parsed> parsed = parse(input);
  if (!parsed) return false;
  std::string joined;
  for (std::size_t index = 0; index < expected.size(); ++index) {
    if (index > 0) joined.push_back('\0');
    joined += expected[index];
  }
  return parsed->list == expected && parsed->raw == joined;
}

bool refuses(const std::string& input) { return !parse(input); }

void a_usual_command_line() {
  // /bin/zsh takes 9 bytes, so 7 of padding.
  CHECK(
      reads(bytes("\x03\0\0\0/bin/zsh\0\0\0\0\0\0\0\0-zsh\0-o\0extended glob\0TERM=xterm\0SHLVL=1\0"
                  "ptr_munge=\0\0\0\0"),
            {"-zsh", "-o", "extended glob"}));
}

void every_length_of_padding() {
  for (std::size_t length = 0; length <= 24; ++length) {
    const std::string path(length, 'p');
    for (const Strings& arguments :
         {Strings{"node", "x"}, Strings{""}, Strings{"", "x"}, Strings{"", "", "x", ""}}) {
      const int argc = static_cast<int>(arguments.size());
      CHECK(reads(with_argc(argc, area_of(path, arguments, kEnvironment)), arguments));
    }
  }
}

void other_padding_than_expected_costs_no_argument() {
  CHECK(reads(bytes("\x02\0\0\0/bin\0\0\0a\0b\0X=1\0"), {"a", "b"}));
  CHECK(reads(bytes("\x02\0\0\0/bin\0a\0b\0X=1\0"), {"a", "b"}));
}

void no_arguments_at_all() {
  CHECK(reads(with_argc(0, area_of("/bin/true", {}, kEnvironment)), {}));
  CHECK(reads(with_argc(0, area_of("/bin/true", {}, {})), {}));
  CHECK(reads(with_argc(0, bytes("/bin/true\0")), {}));
}

void empty_arguments_survive() {
  for (const Strings& arguments : {Strings{"node", ""}, Strings{"node", "", ""},
                                   Strings{"node", "", "a", ""}, Strings{"/usr/bin/node", ""}}) {
    const int argc = static_cast<int>(arguments.size());
    CHECK(reads(with_argc(argc, area_of("/opt/bin/node", arguments, kEnvironment)), arguments));
  }
}

void environment_stays_out_when_argc_is_right() {
  for (const Strings& arguments : {Strings{"a"}, Strings{"a", "b"}, Strings{""}, Strings{}}) {
    const int argc = static_cast<int>(arguments.size());
    CHECK(reads(with_argc(argc, area_of("/bin/a", arguments, kEnvironment)), arguments));
  }
}

void nothing_follows_the_arguments() {
  // The kernel leaves out what follows for programs with a hardened signature.
  CHECK(reads(with_argc(2, area_of("/bin/ls", {"ls", "-l"}, {})), {"ls", "-l"}));
}

void title_with_its_padding() {
  const auto titled = [](const std::string& area) {
    return with_argc(3, bytes("/bin/app\0\0\0\0\0\0\0\0") + area);
  };
  CHECK(reads(titled(bytes("t\0\0\0\0\0\0SECRET=hunter2\0")), {"t"}));
  CHECK(reads(titled(bytes("t\0\0\0\0\0")), {"t"}));
  CHECK(reads(titled(bytes("t\0\0\0")), {"t"}));
  // As long as the arguments together: as many NULs as there were.
  CHECK(reads(titled(bytes("title\0\0\0SECRET=hunter2\0")), {"title"}));
  CHECK(reads(titled(bytes("app\0\0\0SECRET=hunter2\0")), {"app", "", ""}));
  CHECK(reads(titled(bytes("app\0\0\0\0SECRET=hunter2\0")), {"app"}));
  CHECK(reads(titled(bytes("app\0\0\0")), {"app"}));
  CHECK(reads(titled(bytes("\0\0\0\0\0\0SECRET=hunter2\0")), {""}));
}

void title_that_pushes_argc_into_the_environment() {
  const auto titled = [](const std::string& area) {
    return with_argc(3, bytes("/bin/app\0\0\0\0\0\0\0\0") + area);
  };
  CHECK(reads(titled(bytes("a longer title\0\0SECRET=hunter2\0A=b\0")), {"a longer title"}));
  CHECK(reads(titled(bytes("a longer title\0SECRET=hunter2\0A=b\0")), {"a longer title"}));
  CHECK(reads(titled(bytes("title\0npm_config_//host/:_authToken=x\0BASH_FUNC_f%%=() { }\0")),
              {"title"}));
}

void arguments_like_environment_of_a_program_by_its_name() {
  for (const char* name : {"dd", "-dd", "/bin/dd", "./dd", "../x/dd"}) {
    const Strings arguments = {name, "if=a", "of=b"};
    CHECK(reads(with_argc(3, area_of("/bin/dd", arguments, kEnvironment)), arguments));
  }
}

void one_argument_not_like_environment_proves_the_others() {
  for (const Strings& arguments :
       {Strings{"renamed", "A=1", "run"}, Strings{"renamed", "run", "A=1"},
        Strings{"renamed", "--a=1", "A=1"}, Strings{"renamed", "=", "A=1"}}) {
    CHECK(reads(with_argc(3, area_of("/bin/env", arguments, kEnvironment)), arguments));
  }
}

void cut_anywhere_it_is_refused_or_right() {
  const Strings arguments = {"node", "server.js", "x"};
  const std::string area = area_of("/usr/bin/node", arguments, {});
  const std::string whole = with_argc(3, area + bytes("SECRET=hunter2\0"));
  const std::size_t needed = sizeof(int) + area.size();
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    CHECK(size < needed ? refuses(cut) : reads(cut, arguments));
  }
}

void hostile_counts() {
  const std::string area = area_of("/bin/a", {"a", "b"}, kEnvironment);
  for (const int argc : {-1, INT_MIN, INT_MAX, 6, 1 << 24}) CHECK(refuses(with_argc(argc, area)));
  // Larger than the truth but within the strings: nothing can tell, but the form of environment.
  CHECK(reads(with_argc(3, area_of("/bin/a", {"title"}, kEnvironment)), {"title"}));
}

void missing_ends() {
  CHECK(refuses({}));
  CHECK(refuses(bytes("\x01\0\0")));
  CHECK(refuses(bytes("\x01\0\0\0")));
  CHECK(refuses(bytes("\0\0\0\0")));
  CHECK(refuses(bytes("\x01\0\0\0/bin/a")));
  CHECK(refuses(bytes("\x01\0\0\0/bin/a\0")));
  CHECK(refuses(bytes("\x01\0\0\0/bin/a\0\0")));
  CHECK(refuses(bytes("\x01\0\0\0/bin/a\0\0a")));
  CHECK(refuses(bytes("\x02\0\0\0/bin/a\0\0a\0b")));
  CHECK(reads(bytes("\x02\0\0\0/bin/a\0\0a\0b\0"), {"a", "b"}));
}

// Every argv that exec can write comes back, unless it has the shape of a title.
void round_trip_of_random_vectors() {
  std::mt19937 random(20261121);
  const auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  const std::string alphabet = "a/=- \n\xff";
  const auto text = [&](unsigned limit) {
    std::string result;
    for (unsigned left = below(limit); left > 0; --left) {
      result.push_back(alphabet[below(static_cast<unsigned>(alphabet.size()))]);
    }
    return result;
  };
  int titles = 0;
  constexpr int kRounds = 20'000;
  for (int round = 0; round < kRounds; ++round) {
    const std::string path = text(20) + "/prog";
    Strings arguments = {below(2) == 0 ? "prog" : text(6)};
    for (unsigned left = below(6); left > 0; --left) arguments.push_back(text(6));
    const std::string input =
        with_argc(static_cast<int>(arguments.size()), area_of(path, arguments, kEnvironment));
    if (reads(input, arguments)) continue;
    // The program's own name is never taken for a title when exec put it there.
    CHECK(arguments[0] != "prog");
    CHECK(reads(input, {arguments[0]}));
    ++titles;
  }
  CHECK(titles > 0 && titles < kRounds / 4);
}

void random_bytes_do_no_harm() {
  std::mt19937 random(4711);
  for (int round = 0; round < 20'000; ++round) {
    std::string area(random() % 64, '\0');
    for (char& byte : area) byte = "\0\0\0a=/"[random() % 6];
    const std::optional<Parsed> parsed = parse(with_argc(static_cast<int>(random() % 8), area));
    if (parsed) CHECK(parsed->list.size() < 8);
  }
}

}  // namespace

int main() {
#define TEST(name) check::test(#name, name)
  TEST(a_usual_command_line);
  TEST(every_length_of_padding);
  TEST(other_padding_than_expected_costs_no_argument);
  TEST(no_arguments_at_all);
  TEST(empty_arguments_survive);
  TEST(environment_stays_out_when_argc_is_right);
  TEST(nothing_follows_the_arguments);
  TEST(title_with_its_padding);
  TEST(title_that_pushes_argc_into_the_environment);
  TEST(arguments_like_environment_of_a_program_by_its_name);
  TEST(one_argument_not_like_environment_proves_the_others);
  TEST(cut_anywhere_it_is_refused_or_right);
  TEST(hostile_counts);
  TEST(missing_ends);
  TEST(round_trip_of_random_vectors);
  TEST(random_bytes_do_no_harm);
  return check::report();
}
