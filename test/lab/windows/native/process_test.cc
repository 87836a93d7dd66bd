// The Windows reader against the real system and, where Wine lacks an information class or no
// system misbehaves on demand, against answers given through the seam.
#include "process.h"

#include <windows.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "check.h"
#include "child_program.h"
#include "fake_ntdll.h"
#include "recording_sink.h"
#include "windows/command_line.h"
#include "windows/file_time.h"
#include "windows/process_reader.h"
#include "windows/process_table.h"

namespace {

using pidentity::ArgsReason;
using pidentity::CommandLineReader;
using pidentity::Delivery;
using pidentity::Identity;
using pidentity::Liveness;
using pidentity::Pid;
using pidentity::ProcessReader;
using pidentity::Reason;
using pidentity::Snapshot;
using pidentity::State;
using pidentity::ntdll::CountedString;
using pidentity::ntdll::CountedString32;
using pidentity::ntdll::ProcessEntry;
using pidentity::ntdll::ProcessInfo;
using pidentity::ntdll::Status;
using pidentity::ntdll::SystemInfo;
namespace ntdll = pidentity::ntdll;

void holds(bool fact, const std::source_location at = std::source_location::current()) {
  check::equal(fact, true, at);
}

constexpr Status kSuccess = 0;
// A multiple of four far beyond what a test machine hands out.
constexpr Pid kAbsentPid = 0x7FFF'FFFC;

bool is(const Liveness& liveness, State state, Reason reason) {
  return liveness.state == state && liveness.reason == reason;
}

std::u16string wide(const std::wstring& text) { return {text.begin(), text.end()}; }

std::int64_t created_at(HANDLE process) {
  FILETIME created{};
  FILETIME other{};
  GetProcessTimes(process, &created, &other, &other, &other);
  const auto time = (std::uint64_t{created.dwHighDateTime} << 32) | created.dwLowDateTime;
  return pidentity::unix_microseconds(static_cast<std::int64_t>(time)).value_or(-1);
}

// --- class 60 -----------------------------------------------------------------------------------

// Writes an answer to class 60: the head, a gap, the text.
Status answer_with(const fake::Question& question, std::u16string_view text, USHORT length) {
  const std::size_t needed = sizeof(CountedString) + text.size() * sizeof(char16_t);
  if (question.returned != nullptr) *question.returned = static_cast<ULONG>(needed);
  if (question.size < needed) return ntdll::kInfoLengthMismatch;
  auto* bytes = static_cast<std::byte*>(question.buffer);
  const CountedString string{.length = length,
                             .maximum_length = length,
                             .buffer = reinterpret_cast<std::uintptr_t>(bytes + sizeof string)};
  std::memcpy(bytes, &string, sizeof string);
  std::memcpy(bytes + sizeof string, text.data(), text.size() * sizeof(char16_t));
  return kSuccess;
}

struct Heard {
  ArgsReason reason = ArgsReason::kSkipped;
  RecordingSink sink;
};

// Asks about this very process through the seam.
Heard read_own(CommandLineReader& reader) {
  Heard heard;
  heard.reason = reader.read(GetCurrentProcess(), GetCurrentProcessId(), heard.sink);
  return heard;
}

Heard read_class_60(fake::Answer answer) {
  CommandLineReader reader(fake::fresh());
  fake::on(ProcessInfo::kCommandLine, std::move(answer));
  return read_own(reader);
}

void the_length_counts_and_not_the_first_nul() {
  // Behind the text lies what a terminator search would run into.
  const std::u16string_view memory = u"a\0b c\0surplus";
  const std::u16string_view sixteen(memory.data(), 12);
  const Heard heard =
      read_class_60([&](const fake::Question& q) { return answer_with(q, sixteen, 5 * 2); });
  holds(heard.reason == ArgsReason::kRead);
  holds(heard.sink.heard(std::u16string_view(u"a\0b c", 5), {{u"a\0b", 3}, u"c"}));
}

void a_text_without_terminator_ends_where_it_ends() {
  const Heard heard =
      read_class_60([](const fake::Question& q) { return answer_with(q, u"\"a b\" c d", 9 * 2); });
  holds(heard.sink.heard(u"\"a b\" c d", {u"a b", u"c", u"d"}));
}

void a_counted_terminator_is_no_argument_text() {
  const Heard heard = read_class_60([](const fake::Question& q) {
    return answer_with(q, std::u16string_view(u"a b\0\0", 5), 5 * 2);
  });
  holds(heard.sink.heard(u"a b", {u"a", u"b"}));
}

void a_long_line_makes_the_buffer_grow() {
  const std::u16string text = u"x " + std::u16string(32'000, u'y');
  int asked = 0;
  const Heard heard = read_class_60([&](const fake::Question& q) {
    ++asked;
    return answer_with(q, text, static_cast<USHORT>(text.size() * 2));
  });
  holds(heard.sink.heard(text, {u"x", text.substr(2)}));
  holds(asked == 2);
}

void a_line_that_grows_between_two_tries_is_read() {
  int asked = 0;
  const Heard heard = read_class_60([&](const fake::Question& q) {
    const std::u16string text(static_cast<std::size_t>(++asked < 3 ? asked * 10'000 : 20'000),
                              u'x');
    return answer_with(q, text, static_cast<USHORT>(text.size() * 2));
  });
  holds(heard.reason == ArgsReason::kRead);
  holds(heard.sink.list.size() == 1 && heard.sink.list[0].size() == 20'000);
}

void an_endless_wish_for_room_is_refused() {
  for (const ULONG wish : {ULONG{0}, ULONG{5'000}, ULONG{0xFFFF'FFFF}}) {
    for (const Status status :
         {ntdll::kInfoLengthMismatch, ntdll::kBufferTooSmall, ntdll::kBufferOverflow}) {
      ULONG largest = 0;
      int asked = 0;
      const Heard heard = read_class_60([&](const fake::Question& q) {
        ++asked;
        largest = q.size > largest ? q.size : largest;
        *q.returned = wish;
        return status;
      });
      holds(heard.reason == ArgsReason::kUnsupported);
      holds(heard.sink.heard_nothing());
      holds(asked > 0 && asked <= 8);
      holds(largest <= 128 * 1024);
    }
  }
}

void a_terminating_process_is_gone() {
  const Heard heard =
      read_class_60([](const fake::Question&) { return ntdll::kProcessIsTerminating; });
  holds(heard.reason == ArgsReason::kGone);
  holds(heard.sink.heard_nothing());
}

void a_process_without_command_line_has_no_arguments() {
  const Heard absent = read_class_60([](const fake::Question&) { return ntdll::kNotFound; });
  holds(absent.reason == ArgsReason::kRead);
  holds(absent.sink.heard(u"", {}));
  const Heard empty = read_class_60([](const fake::Question& q) { return answer_with(q, u"", 0); });
  holds(empty.reason == ArgsReason::kRead);
  holds(empty.sink.heard(u"", {}));
}

void a_refusal_is_passed_on() {
  const Heard denied = read_class_60([](const fake::Question&) { return ntdll::kAccessDenied; });
  holds(denied.reason == ArgsReason::kAccessDenied);
  const Heard other =
      read_class_60([](const fake::Question&) { return ntdll::status_code(0xC0000005); });
  holds(other.reason == ArgsReason::kUnsupported);
  holds(denied.sink.heard_nothing() && other.sink.heard_nothing());
}

void a_string_outside_the_answer_is_not_read() {
  struct Case {
    std::uint64_t offset;  // from the start of the buffer
    USHORT length;
  };
  for (const Case& hostile : {Case{0, 10}, Case{15, 2}, Case{17, 4}, Case{4'096, 2}, Case{4'090, 8},
                              Case{std::uint64_t(-32), 8}, Case{1ULL << 40, 8}, Case{16, 0xFFFE}}) {
    const Heard heard = read_class_60([&](const fake::Question& q) {
      std::memset(q.buffer, 0, q.size);
      const CountedString string{
          .length = hostile.length,
          .maximum_length = hostile.length,
          .buffer = reinterpret_cast<std::uintptr_t>(q.buffer) + hostile.offset};
      std::memcpy(q.buffer, &string, sizeof string);
      return kSuccess;
    });
    holds(heard.reason == ArgsReason::kUnsupported);
    holds(heard.sink.heard_nothing());
  }
}

void half_a_unit_is_dropped() {
  const Heard heard =
      read_class_60([](const fake::Question& q) { return answer_with(q, u"ab c", 7); });
  holds(heard.sink.heard(u"ab ", {u"ab"}));
}

// --- process environment block ------------------------------------------------------------------

// A PEB, parameters and text in this process, found through a scripted class 0. ReadProcessMemory
// reads them for real.
struct Block {
  std::uint64_t peb[8] = {};
  std::byte parameters[0x100] = {};

  void name(const CountedString& string) {
    std::memcpy(parameters + 0x70, &string, sizeof string);
    peb[4] = reinterpret_cast<std::uintptr_t>(parameters);
  }
};

Heard read_block(std::uint64_t peb) {
  CommandLineReader reader(fake::fresh());
  fake::on(ProcessInfo::kCommandLine,
           [](const fake::Question&) { return ntdll::kInvalidInfoClass; });
  fake::on(ProcessInfo::kBasic, [peb](const fake::Question& q) {
    ntdll::BasicInformation basic{};
    basic.peb = peb;
    std::memcpy(q.buffer, &basic, sizeof basic);
    return kSuccess;
  });
  return read_own(reader);
}

Heard read_block(const Block& block) {
  return read_block(reinterpret_cast<std::uintptr_t>(block.peb));
}

CountedString counted(const void* text, std::size_t bytes) {
  return {.length = static_cast<USHORT>(bytes),
          .maximum_length = static_cast<USHORT>(bytes),
          .buffer = reinterpret_cast<std::uintptr_t>(text)};
}

void a_block_is_read_by_length() {
  const char16_t text[] = u"p \xD800 \"\" q";
  Block block;
  block.name(counted(text, 7 * 2));
  const Heard heard = read_block(block);
  holds(heard.reason == ArgsReason::kRead);
  // The last unit of the text lies beyond the length.
  holds(heard.sink.heard({text, 7}, {u"p", std::u16string(1, char16_t{0xD800}), u""}));
}

void a_line_up_to_an_unmapped_page_is_read() {
  std::byte* const page = page_before_nothing();
  holds(page != nullptr);
  if (page == nullptr) return;
  std::memcpy(page + 0x1000 - 6, u"a b", 6);
  Block block;
  block.name(counted(page + 0x1000 - 6, 6));
  holds(read_block(block).sink.heard(u"a b", {u"a", u"b"}));
  // One byte more would be on the missing page; it is half a unit and not asked for.
  block.name(counted(page + 0x1000 - 6, 7));
  holds(read_block(block).sink.heard(u"a b", {u"a", u"b"}));
  block.name(counted(page + 0x1000 - 6, 8));
  const Heard beyond = read_block(block);
  holds(beyond.reason == ArgsReason::kUnsupported);
  holds(beyond.sink.heard_nothing());
  VirtualFree(page, 0, MEM_RELEASE);
}

void hostile_pointers_are_not_followed() {
  Block block;
  const std::uint64_t wild[] = {0,
                                1,
                                0x1000,
                                0x7FFF'FFFF'FFFF,
                                0x8000'0000'0000,
                                0xFFFF'8000'0000'0000,
                                0xFFFF'FFFF'FFFF'FFF0};
  for (const std::uint64_t address : wild) {
    block.name({.length = 64, .maximum_length = 64, .buffer = address});
    const Heard text = read_block(block);
    holds(text.reason == ArgsReason::kUnsupported && text.sink.heard_nothing());
    block.peb[4] = address;
    const Heard parameters = read_block(block);
    holds(parameters.reason == ArgsReason::kUnsupported && parameters.sink.heard_nothing());
    const Heard peb = read_block(address);
    holds(peb.reason == ArgsReason::kUnsupported && peb.sink.heard_nothing());
  }
}

void an_empty_line_in_a_block_is_no_argument() {
  Block block;
  for (const USHORT length : {USHORT{0}, USHORT{1}}) {
    block.name({.length = length, .maximum_length = 0, .buffer = 0xFFFF'8000'0000'0000});
    const Heard heard = read_block(block);
    holds(heard.reason == ArgsReason::kRead);
    holds(heard.sink.heard(u"", {}));
  }
}

void the_longest_line_in_a_block_is_read() {
  const std::u16string text = u"p " + std::u16string(32'765, u'z');
  Block block;
  block.name({.length = 0xFFFF,
              .maximum_length = 0xFFFF,
              .buffer = reinterpret_cast<std::uintptr_t>(text.data())});
  holds(read_block(block).sink.heard(text, {u"p", text.substr(2)}));
}

void a_32_bit_process_has_its_own_block() {
  // Pointers of a 32-bit process are 32 bits wide, so its block has to lie low.
  std::byte* low = nullptr;
  for (std::uintptr_t at = 0x1000'0000; low == nullptr && at < 0x7000'0000; at += 0x10'0000) {
    low = static_cast<std::byte*>(VirtualAlloc(reinterpret_cast<void*>(at), 0x1000,
                                               MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
  }
  holds(low != nullptr);
  if (low == nullptr) return;
  const auto address = [low](std::size_t offset) {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(low) + offset);
  };
  const std::uint32_t parameters = address(0x100);
  std::memcpy(low + 0x10, &parameters, sizeof parameters);
  const CountedString32 string{.length = 10, .maximum_length = 12, .buffer = address(0x800)};
  std::memcpy(low + 0x100 + 0x40, &string, sizeof string);
  std::memcpy(low + 0x800, u"x \"32", 10);

  Block block64;
  block64.name(counted(u"x 64", 8));
  CommandLineReader reader(fake::fresh());
  fake::on(ProcessInfo::kCommandLine, [](const fake::Question&) { return ntdll::kNotImplemented; });
  fake::on(ProcessInfo::kBasic, [&](const fake::Question& q) {
    ntdll::BasicInformation basic{};
    basic.peb = reinterpret_cast<std::uintptr_t>(block64.peb);
    std::memcpy(q.buffer, &basic, sizeof basic);
    return kSuccess;
  });
  fake::on(ProcessInfo::kWow64, [&](const fake::Question& q) {
    const std::uint64_t peb32 = reinterpret_cast<std::uintptr_t>(low);
    std::memcpy(q.buffer, &peb32, sizeof peb32);
    return kSuccess;
  });
  holds(read_own(reader).sink.heard(u"x \"32", {u"x", u"32"}));
  // Its block may be just as hostile.
  const CountedString32 wild{.length = 10, .maximum_length = 12, .buffer = 0xFFFF'FFF0};
  std::memcpy(low + 0x100 + 0x40, &wild, sizeof wild);
  holds(read_own(reader).reason == ArgsReason::kUnsupported);
  VirtualFree(low, 0, MEM_RELEASE);
}

void a_missing_class_is_asked_for_once() {
  CommandLineReader reader(fake::fresh());
  fake::on(ProcessInfo::kCommandLine,
           [](const fake::Question&) { return ntdll::kInvalidInfoClass; });
  for (int round = 0; round < 3; ++round) {
    const Heard heard = read_own(reader);
    holds(heard.reason == ArgsReason::kRead);
    holds(heard.sink.raws.size() == 1 && heard.sink.raws[0] == wide(GetCommandLineW()));
  }
  holds(fake::times_asked(ProcessInfo::kCommandLine) == 1);
}

void without_ntdll_nothing_is_claimed() {
  CommandLineReader reader(ntdll::Ntdll(nullptr, nullptr));
  const Heard heard = read_own(reader);
  holds(heard.reason == ArgsReason::kUnsupported);
  holds(heard.sink.heard_nothing());
  const auto processes =
      pidentity::create_process_reader(ntdll::Ntdll(nullptr, nullptr), OpenProcess);
  const Snapshot snapshot = processes->inspect(GetCurrentProcessId(), nullptr);
  holds(is(snapshot.liveness, State::kAlive, Reason::kRunning));
  holds(snapshot.start_time == created_at(GetCurrentProcess()));
  holds(!snapshot.parent);
}

// --- process table ------------------------------------------------------------------------------

std::vector<std::byte> table_of(const std::vector<ProcessEntry>& entries) {
  std::vector<std::byte> bytes(entries.size() * sizeof(ProcessEntry));
  std::memcpy(bytes.data(), entries.data(), bytes.size());
  return bytes;
}

ProcessEntry entry_of(std::uint64_t pid, ULONG next) {
  ProcessEntry entry{};
  entry.pid = pid;
  entry.next_entry_offset = next;
  entry.thread_count = 2;
  entry.create_time = 77;
  entry.inherited_from_pid = 40;
  return entry;
}

// Looks a process up in a table of which the system says that `size` bytes are filled.
std::optional<pidentity::TableEntry> found_in(const std::vector<std::byte>& table, Pid pid,
                                              std::size_t size) {
  auto seam = fake::fresh();
  fake::on(SystemInfo::kProcesses, [&](const fake::Question& q) {
    std::memcpy(q.buffer, table.data(), table.size());
    *q.returned = static_cast<ULONG>(size);
    return kSuccess;
  });
  return pidentity::look_up_in_process_table(seam, pid);
}

std::optional<pidentity::TableEntry> found_in(const std::vector<std::byte>& table, Pid pid) {
  return found_in(table, pid, table.size());
}

void a_process_is_found_in_the_chain() {
  const auto table = table_of({entry_of(4, 96), entry_of(8, 96), entry_of(12, 0)});
  const auto found = found_in(table, 12);
  holds(found && found->create_time == 77 && found->parent == 40 && found->thread_count == 2);
  holds(!found_in(table, 16));
}

void a_broken_chain_ends_the_search() {
  for (const ULONG next : {0U, 1U, 95U, 97U, 193U, 0x7FFF'FFFFU, 0xFFFF'FFFFU}) {
    const auto table = table_of({entry_of(4, next), entry_of(8, next)});
    holds(found_in(table, 4).has_value());
    holds(!found_in(table, 16));
    for (std::size_t size = 0; size < sizeof(ProcessEntry); ++size) {
      holds(!found_in(table, 4, size));
    }
  }
}

void a_pid_is_compared_in_full() {
  const auto table = table_of({entry_of((1ULL << 32) + 8, 0)});
  holds(!found_in(table, 8));
}

void a_growing_table_is_read_in_the_end() {
  auto seam = fake::fresh();
  int asked = 0;
  fake::on(SystemInfo::kProcesses, [&](const fake::Question& q) {
    const auto table = table_of({entry_of(8, 0)});
    const ULONG needed = ++asked < 4 ? q.size + 1 : static_cast<ULONG>(table.size());
    *q.returned = needed;
    if (needed > q.size) return ntdll::kInfoLengthMismatch;
    std::memcpy(q.buffer, table.data(), table.size());
    return kSuccess;
  });
  holds(pidentity::look_up_in_process_table(seam, 8).has_value());
  holds(asked == 4);
}

void a_table_that_never_fits_is_unreadable() {
  auto seam = fake::fresh();
  int asked = 0;
  fake::on(SystemInfo::kProcesses, [&](const fake::Question& q) {
    ++asked;
    *q.returned = 0xFFFF'FFFF;
    return ntdll::kInfoLengthMismatch;
  });
  holds(!pidentity::look_up_in_process_table(seam, 8));
  holds(asked <= 8);
}

void the_real_table_agrees_with_the_handle() {
  const auto found =
      pidentity::look_up_in_process_table(ntdll::Ntdll::resolve(), GetCurrentProcessId());
  holds(found && found->thread_count > 0);
  holds(found &&
        pidentity::unix_microseconds(found->create_time) == created_at(GetCurrentProcess()));
}

// --- processes ----------------------------------------------------------------------------------

void numbers_between_pids_are_no_pids() {
  const auto reader = ProcessReader::create();
  const Pid own = GetCurrentProcessId();
  holds(is(reader->liveness(own), State::kAlive, Reason::kRunning));
  for (Pid low = 1; low < 4; ++low) {
    holds(is(reader->liveness(own + low), State::kGone, Reason::kInvalidPid));
    holds(!reader->reference(own + low));
  }
  holds(is(reader->liveness(0), State::kGone, Reason::kInvalidPid));
  holds(is(reader->liveness(0xFFFF'FFFF), State::kGone, Reason::kInvalidPid));
}

void an_absent_pid_is_no_process() {
  const auto reader = ProcessReader::create();
  holds(is(reader->liveness(kAbsentPid), State::kGone, Reason::kNoSuchProcess));
  RecordingSink sink;
  holds(reader->arguments(kAbsentPid, sink) == ArgsReason::kGone);
  holds(sink.heard_nothing());
  holds(!reader->start_time(kAbsentPid));
  holds(!reader->reference(kAbsentPid));
}

void a_thread_id_is_not_a_process() {
  const auto reader = ProcessReader::create();
  holds(is(reader->liveness(GetCurrentThreadId()), State::kGone, Reason::kThreadId));
}

void one_snapshot_tells_everything_about_a_child() {
  const auto reader = ProcessReader::create();
  const std::wstring given =
      L"--child wait \"\" \"a b\" q\\\"uo\\te tail\\ \x00E4\x20AC\xD83D\xDE00 "
      L"\xD800 \"two\nlines\" \"\"";
  Child child({.arguments = given});
  RecordingSink sink;
  const Snapshot snapshot = reader->inspect(child.pid(), &sink);
  holds(is(snapshot.liveness, State::kAlive, Reason::kRunning));
  holds(snapshot.start_time == created_at(child.process()));
  holds(snapshot.started_at_ms == static_cast<double>(created_at(child.process())) / 1000);
  holds(snapshot.parent == GetCurrentProcessId());
  holds(snapshot.args_reason == ArgsReason::kRead);
  holds(sink.raws.size() == 1 && sink.raws[0] == wide(child.command_line()));
  const std::vector<std::u16string> expected = {u"--child",
                                                u"wait",
                                                u"",
                                                u"a b",
                                                u"q\"uo\\te",
                                                u"tail\\",
                                                u"\u00E4\u20AC\U0001F600",
                                                std::u16string(1, char16_t{0xD800}),
                                                u"two\nlines",
                                                u""};
  holds(sink.list.size() == expected.size() + 1);
  holds(sink.list.size() > 1 &&
        std::vector<std::u16string>(sink.list.begin() + 1, sink.list.end()) == expected);
}

void exit_code_259_is_not_alive() {
  const auto reader = ProcessReader::create();
  Child child({.arguments = L"--child exit-code 259"});
  holds(is(reader->liveness(child.pid()), State::kAlive, Reason::kRunning));
  holds(child.finish() == 259);
  DWORD code = 0;
  GetExitCodeProcess(child.process(), &code);
  holds(code == STILL_ACTIVE);
  holds(is(reader->liveness(child.pid()), State::kGone, Reason::kExited));
}

void an_exited_process_with_an_open_handle_is_gone() {
  const auto reader = ProcessReader::create();
  Child child({.arguments = L"--child wait"});
  child.finish();
  holds(is(reader->liveness(child.pid()), State::kGone, Reason::kExited));
  holds(!reader->start_time(child.pid()));
  RecordingSink sink;
  const Snapshot snapshot = reader->inspect(child.pid(), &sink);
  holds(snapshot.args_reason == ArgsReason::kGone);
  holds(!snapshot.start_time && !snapshot.parent && sink.heard_nothing());
  const Identity identity = reader->identity(child.pid());
  holds(is(identity.liveness, State::kGone, Reason::kExited));
  holds(!identity.start_time && !identity.exact_id);
}

void a_suspended_process_is_alive() {
  const auto reader = ProcessReader::create();
  Child child({.arguments = L"--child wait",
               .creation_flags = CREATE_SUSPENDED,
               .wait_until_ready = false});
  holds(is(reader->liveness(child.pid()), State::kAlive, Reason::kRunning));
  holds(reader->start_time(child.pid()) == created_at(child.process()));
}

void two_children_have_two_start_times() {
  const auto reader = ProcessReader::create();
  Child first({.arguments = L"--child wait"});
  Child second({.arguments = L"--child wait"});
  const auto start = reader->start_time(first.pid());
  holds(start && reader->start_time(second.pid()) && start != reader->start_time(second.pid()));
  for (int round = 0; round < 100; ++round) holds(reader->start_time(first.pid()) == start);
}

void a_watch_sees_the_end() {
  const auto reader = ProcessReader::create();
  Child child({.arguments = L"--child wait"});
  const auto reference = reader->reference(child.pid());
  holds(reference != nullptr);
  if (reference == nullptr) return;
  holds(!reference->exited());
  child.finish();
  holds(reference->exited());
  child.forget();
  // The reference alone keeps the exited process's number from being given to another one.
  holds(reference->exited());
  holds(is(reader->liveness(child.pid()), State::kGone, Reason::kExited));
}

void a_reference_tells_its_own_process_for_good() {
  const auto reader = ProcessReader::create();
  Child child({.arguments = L"--child wait"});
  const auto reference = reader->reference(child.pid());
  holds(reference != nullptr);
  if (reference == nullptr) return;
  const Identity running = reference->identity();
  holds(is(running.liveness, State::kAlive, Reason::kRunning));
  holds(running.start_time == created_at(child.process()));
  child.finish();
  child.forget();
  holds(is(reference->identity().liveness, State::kGone, Reason::kExited));
}

void a_signal_ends_the_process_of_its_reference() {
  const auto reader = ProcessReader::create();
  Child child({.arguments = L"--child wait"});
  const auto reference = reader->reference(child.pid());
  holds(reference != nullptr);
  if (reference == nullptr) return;
  holds(reference->signal(0) == Delivery::kSent);
  holds(!reference->exited());
  holds(reference->signal(15) == Delivery::kSent);
  holds(WaitForSingleObject(child.process(), 10'000) == WAIT_OBJECT_0);
  DWORD code = 0;
  holds(GetExitCodeProcess(child.process(), &code) && code == 1);
  holds(reference->signal(0) == Delivery::kGone);
  holds(reference->signal(9) == Delivery::kGone);
}

void the_list_has_every_process_once() {
  Child child({.arguments = L"--child wait"});
  std::vector<pidentity::Pid> pids;
  holds(ProcessReader::create()->list(pids));
  holds(std::ranges::count(pids, child.pid()) == 1);
  holds(std::ranges::count(pids, GetCurrentProcessId()) == 1);
  holds(std::ranges::count(pids, 0U) == 0);
}

// A security descriptor whose empty list grants nothing to anybody.
struct DenyAll {
  DenyAll() {
    InitializeSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    InitializeAcl(&list, sizeof list, ACL_REVISION);
    SetSecurityDescriptorDacl(&descriptor, TRUE, &list, FALSE);
    attributes = {sizeof attributes, &descriptor, FALSE};
  }
  SECURITY_DESCRIPTOR descriptor{};
  ACL list{};
  SECURITY_ATTRIBUTES attributes{};
};

void a_process_that_denies_queries_is_alive() {
  DenyAll deny;
  Child child({.arguments = L"--child wait", .security = &deny.attributes});
  holds(child.started());
  holds(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, child.pid()) == nullptr);
  holds(GetLastError() == ERROR_ACCESS_DENIED);
  const auto reader = ProcessReader::create();
  RecordingSink sink;
  const Snapshot snapshot = reader->inspect(child.pid(), &sink);
  holds(is(snapshot.liveness, State::kAlive, Reason::kRunning));
  holds(snapshot.start_time == created_at(child.process()));
  holds(snapshot.parent == GetCurrentProcessId());
  holds(snapshot.args_reason == ArgsReason::kAccessDenied);
  holds(sink.heard_nothing());
  holds(reader->identity(child.pid()).start_time == created_at(child.process()));
  child.finish();
  // Exited, held open by us, and still denied. Wine grants waiting to everybody, so there the end
  // is seen; Windows may leave it unknown. Nowhere is it alive.
  holds(reader->liveness(child.pid()).state != State::kAlive);
}

// Denies one process everything, or everything but the rights in `granted`.
Pid denied_pid = 0;
DWORD granted = 0;

HANDLE WINAPI open_but_deny(DWORD access, BOOL inherit, DWORD pid) {
  if (pid == denied_pid && (access & ~granted) != 0) {
    SetLastError(ERROR_ACCESS_DENIED);
    return nullptr;
  }
  return OpenProcess(access, inherit, pid);
}

std::unique_ptr<ProcessReader> reader_denied(const Child& child, DWORD rights) {
  denied_pid = child.pid();
  granted = rights;
  return pidentity::create_process_reader(fake::fresh(), open_but_deny);
}

fake::Answer table_with(std::uint64_t pid, ULONG threads) {
  return [=](const fake::Question& q) {
    ProcessEntry entry = entry_of(pid, 0);
    entry.thread_count = threads;
    const auto table = table_of({entry});
    *q.returned = static_cast<ULONG>(table.size());
    std::memcpy(q.buffer, table.data(), table.size());
    return kSuccess;
  };
}

void a_process_that_denies_everything_is_alive_by_the_table() {
  Child child({.arguments = L"--child wait"});
  const auto reader = reader_denied(child, 0);
  RecordingSink sink;
  const Snapshot snapshot = reader->inspect(child.pid(), &sink);
  holds(is(snapshot.liveness, State::kAlive, Reason::kRunning));
  holds(snapshot.start_time == created_at(child.process()));
  holds(snapshot.parent == GetCurrentProcessId());
  holds(snapshot.args_reason == ArgsReason::kAccessDenied);
  holds(sink.heard_nothing());
  holds(!reader->reference(child.pid()));
}

void what_may_not_be_ended_is_left_alone() {
  Child child({.arguments = L"--child wait"});
  const auto reader = reader_denied(child, SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION);
  const auto reference = reader->reference(child.pid());
  holds(reference != nullptr);
  if (reference == nullptr) return;
  holds(reference->signal(0) == Delivery::kAccessDenied);
  holds(reference->signal(15) == Delivery::kAccessDenied);
  holds(!reference->exited());
  child.finish();
  holds(reference->signal(15) == Delivery::kGone);
}

void denied_is_not_alive() {
  Child child({.arguments = L"--child wait"});
  child.finish();
  for (const DWORD rights : {DWORD{0}, DWORD{PROCESS_QUERY_LIMITED_INFORMATION}}) {
    const auto reader = reader_denied(child, rights);
    holds(reader->liveness(child.pid()).state != State::kAlive);
    holds(!reader->start_time(child.pid()) || rights != 0);
  }
  const auto waiting = reader_denied(child, SYNCHRONIZE);
  holds(is(waiting->liveness(child.pid()), State::kGone, Reason::kExited));
}

void queries_without_waiting_tell_the_rest() {
  Child child({.arguments = L"--child wait"});
  const auto reader = reader_denied(child, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ);
  RecordingSink sink;
  const Snapshot snapshot = reader->inspect(child.pid(), &sink);
  holds(is(snapshot.liveness, State::kAlive, Reason::kRunning));
  holds(snapshot.start_time == created_at(child.process()));
  holds(snapshot.args_reason == ArgsReason::kRead);
  holds(sink.raws.size() == 1 && sink.raws[0] == wide(child.command_line()));
}

void a_denied_process_outside_the_table_is_unknown() {
  Child child({.arguments = L"--child wait"});
  const auto reader = reader_denied(child, 0);
  fake::on(SystemInfo::kProcesses, table_with(8'000'000, 1));
  const Snapshot unlisted = reader->inspect(child.pid(), nullptr);
  holds(is(unlisted.liveness, State::kUnknown, Reason::kAccessDenied));
  holds(!unlisted.start_time && !unlisted.parent);
  fake::on(SystemInfo::kProcesses, [](const fake::Question&) { return ntdll::kAccessDenied; });
  holds(is(reader->liveness(child.pid()), State::kUnknown, Reason::kAccessDenied));
}

void a_denied_process_without_threads_is_unknown_until_its_end_is_known() {
  Child child({.arguments = L"--child wait"});
  const auto ask = [&child](DWORD rights) {
    const auto reader = reader_denied(child, rights);
    fake::on(SystemInfo::kProcesses, table_with(child.pid(), 0));
    return reader->liveness(child.pid());
  };
  holds(is(ask(0), State::kUnknown, Reason::kAccessDenied));
  holds(is(ask(PROCESS_QUERY_LIMITED_INFORMATION), State::kUnknown, Reason::kAccessDenied));
  child.finish();
  holds(is(ask(0), State::kUnknown, Reason::kAccessDenied));
  holds(is(ask(PROCESS_QUERY_LIMITED_INFORMATION), State::kGone, Reason::kExited));
}

void the_system_process_has_no_arguments() {
  // As on Windows without privileges: denied, listed in the table.
  denied_pid = 4;
  granted = 0;
  const auto reader = pidentity::create_process_reader(fake::fresh(), open_but_deny);
  fake::on(SystemInfo::kProcesses, table_with(4, 200));
  RecordingSink sink;
  const Snapshot snapshot = reader->inspect(4, &sink);
  holds(is(snapshot.liveness, State::kAlive, Reason::kRunning));
  holds(snapshot.args_reason == ArgsReason::kRead);
  holds(sink.heard(u"", {}));
}

void a_passing_failure_to_open_is_unknown() {
  const auto reader =
      pidentity::create_process_reader(fake::fresh(), [](DWORD, BOOL, DWORD) -> HANDLE {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return nullptr;
      });
  const Snapshot snapshot = reader->inspect(GetCurrentProcessId(), nullptr);
  holds(is(snapshot.liveness, State::kUnknown, Reason::kUnsupported));
}

bool kernel_lacks_command_lines() {
  std::byte answer[64];
  ULONG returned = 0;
  return ntdll::lacks_class(ntdll::Ntdll::resolve().query_process(
      GetCurrentProcess(), ProcessInfo::kCommandLine, answer, sizeof answer, &returned));
}

void a_process_may_rewrite_its_command_line() {
  const auto reader = ProcessReader::create();
  struct Case {
    const wchar_t* how;
    ArgsReason reason;
    std::u16string raw;
    std::vector<std::u16string> arguments;
  };
  const std::vector<Case> cases = {
      {L"rewritten", ArgsReason::kRead, u"changed \"by its owner\"", {u"changed", u"by its owner"}},
      {L"padded", ArgsReason::kRead, u"changed \"by its owner\"", {u"changed", u"by its owner"}},
      {L"odd", ArgsReason::kRead, u"changed", {u"changed"}},
      {L"empty", ArgsReason::kRead, u"", {}},
      {L"too-long", ArgsReason::kUnsupported, u"", {}},
      {L"nowhere", ArgsReason::kUnsupported, u"", {}},
      {L"null", ArgsReason::kUnsupported, u"", {}},
      {L"no-parameters", ArgsReason::kUnsupported, u"", {}},
      {L"wild-parameters", ArgsReason::kUnsupported, u"", {}},
  };
  for (const Case& one : cases) {
    Child child({.arguments = L"--child tamper " + std::wstring(one.how)});
    RecordingSink sink;
    const Snapshot snapshot = reader->inspect(child.pid(), &sink);
    holds(is(snapshot.liveness, State::kAlive, Reason::kRunning));
    holds(snapshot.start_time == created_at(child.process()));
    // Where the kernel itself reads the block (class 60) it refuses bad ones in ways of its own.
    if (one.reason == ArgsReason::kRead || kernel_lacks_command_lines()) {
      holds(snapshot.args_reason == one.reason);
    }
    if (one.reason == ArgsReason::kRead) holds(sink.heard(one.raw, one.arguments));
    if (snapshot.args_reason != ArgsReason::kRead) holds(sink.heard_nothing());
  }
}

void the_sequence_number_is_the_exact_id() {
  const auto reader = pidentity::create_process_reader(fake::fresh(), OpenProcess);
  fake::on(ProcessInfo::kSequenceNumber, [](const fake::Question& q) {
    const std::uint64_t number = 0xFEDC'BA98'7654'3210;
    std::memcpy(q.buffer, &number, sizeof number);
    return kSuccess;
  });
  const Identity identity = reader->identity(GetCurrentProcessId());
  holds(identity.exact_id == 0xFEDC'BA98'7654'3210);
  holds(identity.start_time == created_at(GetCurrentProcess()));
  holds(is(reader->by_exact_id(*identity.exact_id), State::kUnknown, Reason::kUnsupported));
}

void a_missing_sequence_number_is_asked_for_once() {
  const auto reader = pidentity::create_process_reader(fake::fresh(), OpenProcess);
  fake::on(ProcessInfo::kSequenceNumber,
           [](const fake::Question&) { return ntdll::kInvalidInfoClass; });
  for (int round = 0; round < 3; ++round) {
    const Identity identity = reader->identity(GetCurrentProcessId());
    holds(!identity.exact_id && identity.start_time);
  }
  holds(fake::times_asked(ProcessInfo::kSequenceNumber) == 1);
}

void a_passing_failure_does_not_lose_sequence_numbers() {
  const auto reader = pidentity::create_process_reader(fake::fresh(), OpenProcess);
  fake::on(ProcessInfo::kSequenceNumber,
           [](const fake::Question&) { return ntdll::kAccessDenied; });
  holds(!reader->identity(GetCurrentProcessId()).exact_id);
  fake::on(ProcessInfo::kSequenceNumber, [](const fake::Question& q) {
    const std::uint64_t number = 9;
    std::memcpy(q.buffer, &number, sizeof number);
    return kSuccess;
  });
  holds(reader->identity(GetCurrentProcessId()).exact_id == 9);
}

void handles_do_not_leak() {
  const auto reader = ProcessReader::create();
  Child child({.arguments = L"--child wait"});
  const auto ask = [&] {
    RecordingSink sink;
    reader->inspect(child.pid(), &sink);
    reader->identity(child.pid());
    reader->inspect(kAbsentPid, &sink);
    reader->liveness(GetCurrentThreadId());
    const auto reference = reader->reference(child.pid());
  };
  ask();
  // The lowest free handle value shows what is open: each handle opened and kept raises it.
  const auto probe = [] {
    const HANDLE event = CreateEventW(nullptr, FALSE, FALSE, nullptr);
    CloseHandle(event);
    return event;
  };
  const HANDLE before = probe();
  for (int round = 0; round < 200; ++round) ask();
  holds(probe() == before);
}

void the_host_has_stable_names() {
  const auto facts = ProcessReader::create()->host();
  const auto again = ProcessReader::create()->host();
  holds(!facts.machine_id.empty() && facts.machine_id == again.machine_id);
  holds(!facts.boot_id.empty() && facts.boot_id == again.boot_id);
  holds(facts.pid_namespace == "0" && facts.initial_pid_namespace);
}

void times_before_1970_are_not_known() {
  using pidentity::kUnixEpochInFileTime;
  using pidentity::unix_microseconds;
  holds(!unix_microseconds(0));
  holds(!unix_microseconds(-1));
  holds(!unix_microseconds(INT64_MIN));
  holds(!unix_microseconds(kUnixEpochInFileTime - 1));
  holds(unix_microseconds(kUnixEpochInFileTime) == 0);
  holds(unix_microseconds(kUnixEpochInFileTime + 19) == 1);
  // The year 2100 is still a safe integer.
  holds(unix_microseconds(kUnixEpochInFileTime + 41'024'448'000'000'000).value_or(0) <
        9'007'199'254'740'991);
}

}  // namespace

int main() {
  const ProgramArguments arguments;
  const int code = run_as_child(arguments.count, arguments.values);
  if (code >= 0) return code;
  check::test("the length counts, not the first NUL", the_length_counts_and_not_the_first_nul);
  check::test("a text without terminator ends where it ends",
              a_text_without_terminator_ends_where_it_ends);
  check::test("a counted terminator is no argument text", a_counted_terminator_is_no_argument_text);
  check::test("a long line makes the buffer grow", a_long_line_makes_the_buffer_grow);
  check::test("a line that grows between two tries is read",
              a_line_that_grows_between_two_tries_is_read);
  check::test("an endless wish for room is refused", an_endless_wish_for_room_is_refused);
  check::test("a terminating process is gone", a_terminating_process_is_gone);
  check::test("no command line is no arguments", a_process_without_command_line_has_no_arguments);
  check::test("a refusal is passed on", a_refusal_is_passed_on);
  check::test("a string outside the answer is not read", a_string_outside_the_answer_is_not_read);
  check::test("half a unit is dropped", half_a_unit_is_dropped);
  check::test("a block is read by length", a_block_is_read_by_length);
  check::test("a line up to an unmapped page is read", a_line_up_to_an_unmapped_page_is_read);
  check::test("hostile pointers are not followed", hostile_pointers_are_not_followed);
  check::test("an empty line in a block is no argument", an_empty_line_in_a_block_is_no_argument);
  check::test("the longest line in a block is read", the_longest_line_in_a_block_is_read);
  check::test("a 32-bit process has its own block", a_32_bit_process_has_its_own_block);
  check::test("a missing class is asked for once", a_missing_class_is_asked_for_once);
  check::test("without ntdll nothing is claimed", without_ntdll_nothing_is_claimed);
  check::test("a process is found in the chain", a_process_is_found_in_the_chain);
  check::test("a broken chain ends the search", a_broken_chain_ends_the_search);
  check::test("a pid is compared in full", a_pid_is_compared_in_full);
  check::test("a growing table is read in the end", a_growing_table_is_read_in_the_end);
  check::test("a table that never fits is unreadable", a_table_that_never_fits_is_unreadable);
  check::test("the real table agrees with the handle", the_real_table_agrees_with_the_handle);
  check::test("numbers between pids are no pids", numbers_between_pids_are_no_pids);
  check::test("an absent pid is no process", an_absent_pid_is_no_process);
  check::test("a thread id is not a process", a_thread_id_is_not_a_process);
  check::test("one snapshot tells everything", one_snapshot_tells_everything_about_a_child);
  check::test("exit code 259 is not alive", exit_code_259_is_not_alive);
  check::test("exited with an open handle is gone", an_exited_process_with_an_open_handle_is_gone);
  check::test("a suspended process is alive", a_suspended_process_is_alive);
  check::test("two children have two start times", two_children_have_two_start_times);
  check::test("a reference sees the end", a_watch_sees_the_end);
  check::test("a reference tells its own process", a_reference_tells_its_own_process_for_good);
  check::test("a signal ends the process of its reference",
              a_signal_ends_the_process_of_its_reference);
  check::test("a process that may not be ended is left alone", what_may_not_be_ended_is_left_alone);
  check::test("the list has every process once", the_list_has_every_process_once);
  check::test("a process that denies queries is alive", a_process_that_denies_queries_is_alive);
  check::test("a denied process is alive by the table",
              a_process_that_denies_everything_is_alive_by_the_table);
  check::test("denied is not alive", denied_is_not_alive);
  check::test("denied and unlisted is unknown", a_denied_process_outside_the_table_is_unknown);
  check::test("denied without threads is unknown",
              a_denied_process_without_threads_is_unknown_until_its_end_is_known);
  check::test("queries without waiting tell the rest", queries_without_waiting_tell_the_rest);
  check::test("the System process has no arguments", the_system_process_has_no_arguments);
  check::test("a passing failure to open is unknown", a_passing_failure_to_open_is_unknown);
  check::test("a process may rewrite its command line", a_process_may_rewrite_its_command_line);
  check::test("the sequence number is the exact id", the_sequence_number_is_the_exact_id);
  check::test("a missing sequence number is asked for once",
              a_missing_sequence_number_is_asked_for_once);
  check::test("a passing failure loses nothing", a_passing_failure_does_not_lose_sequence_numbers);
  check::test("handles do not leak", handles_do_not_leak);
  check::test("the host has stable names", the_host_has_stable_names);
  check::test("times before 1970 are not known", times_before_1970_are_not_known);
  return check::report();
}
