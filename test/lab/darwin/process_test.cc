// The macOS reader against the kernel that fake_kernel.cc stands in for. One fear per test.
#include "process.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "clock.h"
#include "fake_kernel.h"
#include "file_lock.h"

namespace {

using fake_kernel::Call;
using fake_kernel::kernel;
using fake_kernel::Process;
using pidentity::ArgsReason;
using pidentity::Delivery;
using pidentity::Identity;
using pidentity::Liveness;
using pidentity::Pid;
using pidentity::ProcessReader;
using pidentity::Reason;
using pidentity::Snapshot;
using pidentity::State;

#define CHECK(fact) check::equal(static_cast<bool>(fact), true)

struct Sink final : pidentity::CommandLineSink {
  std::vector<std::string> raws;
  std::vector<std::string> list;
  bool argument_before_raw = false;

  void raw(std::string_view bytes) override { raws.emplace_back(bytes); }
  void argument(std::string_view bytes) override {
    argument_before_raw = argument_before_raw || raws.empty();
    list.emplace_back(bytes);
  }
  void raw(std::u16string_view) override { std::abort(); }
  void argument(std::u16string_view) override { std::abort(); }

  bool heard_nothing() const { return raws.empty() && list.empty(); }
  bool heard(const std::vector<std::string>& expected) const {
    std::string joined;
    for (std::size_t index = 0; index < expected.size(); ++index) {
      if (index > 0) joined.push_back('\0');
      joined += expected[index];
    }
    return list == expected && raws == std::vector<std::string>{joined} && !argument_before_raw;
  }
};

constexpr Pid kTarget = 4711;
constexpr std::int64_t kStart = 1'700'000'000'123'456;

bool is(Liveness answer, State state, Reason reason) {
  return answer.state == state && answer.reason == reason;
}

Process& add(Pid pid, std::uint64_t unique_id) {
  Process& process = kernel().processes[static_cast<pid_t>(pid)];
  process = Process();
  process.unique_id = unique_id;
  return process;
}

// Lets another process have the target's pid: later start, other arguments.
void recycle() {
  Process& next = add(kTarget, 900'001);
  next.start_seconds = 1'700'000'777;
  next.arguments = {"node", "intruder.js"};
}

void before_call(Call call, int nth, std::function<void()> action) {
  kernel().before = [=](Call now, int count) {
    if (now == call && count == nth) action();
  };
}

// ---- what a process is

void running_process_is_described() {
  Process& process = add(kTarget, 77);
  process.parent = 400;
  process.arguments = {"node", "server.js", "", "--name=a b"};
  const auto reader = ProcessReader::create();
  Sink sink;
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
  CHECK(seen.start_time == kStart);
  CHECK(seen.started_at_ms == 1'700'000'000'123.456);
  CHECK(seen.parent == Pid{400});
  CHECK(seen.args_reason == ArgsReason::kRead);
  CHECK(sink.heard({"node", "server.js", "", "--name=a b"}));
  CHECK(is(reader->liveness(kTarget), State::kAlive, Reason::kRunning));
  CHECK(reader->start_time(kTarget) == kStart);
}

void liveness_and_start_time_are_one_question_each() {
  add(kTarget, 77);
  const auto reader = ProcessReader::create();
  reader->liveness(kTarget);
  CHECK(kernel().calls == std::vector<Call>{Call::kShortInfo});
  kernel().calls.clear();
  reader->start_time(kTarget);
  CHECK(kernel().calls == std::vector<Call>{Call::kRecord});
  kernel().calls.clear();
  const Snapshot seen = reader->inspect(kTarget, nullptr);
  CHECK(seen.args_reason == ArgsReason::kSkipped);
  CHECK(kernel().calls == std::vector<Call>{Call::kRecord});
}

void free_pid_is_gone() {
  const auto reader = ProcessReader::create();
  Sink sink;
  CHECK(is(reader->liveness(kTarget), State::kGone, Reason::kNoSuchProcess));
  CHECK(!reader->start_time(kTarget));
  CHECK(reader->arguments(kTarget, sink) == ArgsReason::kGone);
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kGone, Reason::kNoSuchProcess));
  CHECK(seen.args_reason == ArgsReason::kGone && !seen.start_time && !seen.parent);
  kernel().calls.clear();
  CHECK(is(reader->inspect(kTarget, nullptr).liveness, State::kGone, Reason::kNoSuchProcess));
  CHECK(kernel().calls == std::vector<Call>{Call::kRecord});  // success with length 0 is proof
  const Identity identity = reader->identity(kTarget);
  CHECK(is(identity.liveness, State::kGone, Reason::kNoSuchProcess));
  CHECK(!identity.exact_id && !identity.start_time);
  CHECK(reader->reference(kTarget) == nullptr);
  CHECK(sink.heard_nothing());
  CHECK(kernel().count(Call::kKill) == 0);
}

void impossible_pids_reach_no_call() {
  const auto reader = ProcessReader::create();
  Sink sink;
  for (const Pid pid : {Pid{0}, Pid{INT_MAX} + 1, Pid{UINT32_MAX}}) {
    CHECK(is(reader->liveness(pid), State::kGone, Reason::kInvalidPid));
    CHECK(is(reader->inspect(pid, &sink).liveness, State::kGone, Reason::kInvalidPid));
    CHECK(is(reader->identity(pid).liveness, State::kGone, Reason::kInvalidPid));
    CHECK(!reader->start_time(pid));
    CHECK(reader->arguments(pid, sink) == ArgsReason::kGone);
    CHECK(reader->reference(pid) == nullptr);
  }
  CHECK(kernel().calls.empty());
  add(INT_MAX, 5);
  CHECK(is(reader->liveness(INT_MAX), State::kAlive, Reason::kRunning));
}

void zombie_is_gone_though_it_can_be_signalled() {
  add(kTarget, 77).state = SZOMB;
  const auto reader = ProcessReader::create();
  Sink sink;
  CHECK(is(reader->liveness(kTarget), State::kGone, Reason::kZombie));
  CHECK(!reader->start_time(kTarget));
  CHECK(reader->arguments(kTarget, sink) == ArgsReason::kGone);
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kGone, Reason::kZombie));
  CHECK(seen.args_reason == ArgsReason::kGone);
  CHECK(is(reader->identity(kTarget).liveness, State::kGone, Reason::kZombie));
  CHECK(sink.heard_nothing());
}

void process_in_exit_is_alive_until_it_is_a_zombie() {
  add(kTarget, 77).exiting = true;
  const auto reader = ProcessReader::create();
  Sink sink;
  CHECK(is(reader->liveness(kTarget), State::kAlive, Reason::kRunning));
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
  CHECK(seen.start_time == kStart);
  CHECK(seen.args_reason == ArgsReason::kGone);
  CHECK(reader->identity(kTarget).exact_id == std::uint64_t{77});
}

void stopped_and_sleeping_processes_are_alive() {
  const auto reader = ProcessReader::create();
  for (const char state : {SIDL, SRUN, SSLEEP, SSTOP}) {
    add(kTarget, 77).state = state;
    CHECK(is(reader->liveness(kTarget), State::kAlive, Reason::kRunning));
    CHECK(is(reader->inspect(kTarget, nullptr).liveness, State::kAlive, Reason::kRunning));
  }
}

void launchd_has_no_parent() {
  Process& launchd = add(1, 1);
  launchd.parent = 0;
  launchd.uid = 0;
  CHECK(!ProcessReader::create()->inspect(1, nullptr).parent);
}

void absurd_start_times_are_unknown() {
  const auto reader = ProcessReader::create();
  for (const std::int64_t seconds :
       {std::int64_t{-1}, std::int64_t{0}, INT64_MAX, INT64_MIN, std::int64_t{9'007'199'254}}) {
    add(kTarget, 77).start_seconds = seconds;
    CHECK(!reader->start_time(kTarget));
    const Snapshot seen = reader->inspect(kTarget, nullptr);
    CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
    CHECK(!seen.start_time && !seen.started_at_ms);
  }
  add(kTarget, 77).start_microseconds = 1'000'000;
  CHECK(!reader->start_time(kTarget));
  kernel().processes[kTarget].start_microseconds = -1;
  CHECK(!reader->start_time(kTarget));
}

// ---- command lines

void other_users_command_line_is_denied_and_the_rest_is_not() {
  add(kTarget, 77).uid = 0;
  const auto reader = ProcessReader::create();
  Sink sink;
  CHECK(reader->arguments(kTarget, sink) == ArgsReason::kAccessDenied);
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
  CHECK(seen.args_reason == ArgsReason::kAccessDenied);
  CHECK(seen.start_time == kStart);
  CHECK(reader->identity(kTarget).exact_id == std::uint64_t{77});
  CHECK(sink.heard_nothing());
}

void root_reads_every_command_line() {
  kernel().caller = 0;
  add(kTarget, 77).arguments = {"/bin/sh", "-c", "true"};
  Sink sink;
  CHECK(ProcessReader::create()->arguments(kTarget, sink) == ArgsReason::kRead);
  CHECK(sink.heard({"/bin/sh", "-c", "true"}));
}

void environment_never_comes_out(bool restricted) {
  const auto reader = ProcessReader::create();
  const std::vector<std::vector<std::string>> vectors = {
      {"node"}, {"node", ""}, {"", ""}, {""}, {}, {"node", "a=b"}, {"", "", "x"}};
  // Every length of path, and with it of padding.
  for (std::size_t length = 1; length <= 17; ++length) {
    for (const auto& arguments : vectors) {
      Process& process = add(kTarget, 77);
      process.restricted = restricted;
      process.path = std::string(length, 'p') + "/node";
      process.arguments = arguments;
      Sink sink;
      const ArgsReason reason = reader->arguments(kTarget, sink);
      CHECK(reason == ArgsReason::kRead);
      for (const std::string& text : sink.raws) CHECK(text.find("hunter2") == std::string::npos);
      for (const std::string& text : sink.list) CHECK(text.find("hunter2") == std::string::npos);
      // {"", ""} could also be the remains of a title; it is told as one.
      if (arguments != std::vector<std::string>{"", ""} &&
          !(restricted && arguments == std::vector<std::string>{"node", ""})) {
        CHECK(sink.heard(arguments));
      }
    }
  }
}
void environment_follows_and_stays_there() { environment_never_comes_out(false); }
void environment_left_out_by_the_kernel() { environment_never_comes_out(true); }

// What libuv does for process.title on macOS: writes over the argument strings and fills up with
// NULs, as much as the arguments had room for.
std::function<void(std::string&)> titled(const Process& process, const std::string& title) {
  const std::size_t start = (process.path.size() + 8) / 8 * 8;
  std::size_t room = 0;
  for (const std::string& argument : process.arguments) room += argument.size() + 1;
  return [=](std::string& area) {
    const std::string written = title.substr(0, room - 1);
    area.replace(start, room, written + std::string(room - written.size(), '\0'));
  };
}

void rewritten_title_is_one_argument() {
  const auto reader = ProcessReader::create();
  // node + x.js + --y have room for 14 bytes; the last title is cut to that and reaches the limit.
  // One is the name of the program itself.
  for (const std::string title : {"", "t", "node", "title", "title-of-11", "title-of-12x",
                                  "title-of-13xy", "title-that-is-cut"}) {
    for (const bool restricted : {false, true}) {
      Process& process = add(kTarget, 77);
      process.restricted = restricted;
      process.arguments = {"node", "x.js", "--y"};
      process.rewrite = titled(process, title);
      Sink sink;
      CHECK(reader->arguments(kTarget, sink) == ArgsReason::kRead);
      CHECK(sink.heard({title.substr(0, 13)}));
    }
  }
}

void arguments_of_the_form_of_environment_are_kept() {
  const auto reader = ProcessReader::create();
  Process& dd = add(kTarget, 77);
  dd.path = "/bin/dd";
  dd.arguments = {"dd", "if=/dev/zero", "of=out"};
  Sink sink;
  CHECK(reader->arguments(kTarget, sink) == ArgsReason::kRead);
  CHECK(sink.heard({"dd", "if=/dev/zero", "of=out"}));

  Process& env = add(kTarget, 78);
  env.path = "/usr/bin/env";
  env.arguments = {"something else", "A=1", "printenv"};
  Sink other;
  CHECK(reader->arguments(kTarget, other) == ArgsReason::kRead);
  CHECK(other.heard({"something else", "A=1", "printenv"}));
}

void bytes_that_are_no_utf8_survive() {
  add(kTarget, 77).arguments = {"node", "\xff\xfe", "line\nline", "\xc3"};
  Sink sink;
  CHECK(ProcessReader::create()->arguments(kTarget, sink) == ArgsReason::kRead);
  CHECK(sink.heard({"node", "\xff\xfe", "line\nline", "\xc3"}));
}

void huge_command_lines_are_read_whole() {
  const auto reader = ProcessReader::create();
  Process& process = add(kTarget, 77);
  process.arguments = {"node", std::string(700'000, 'x')};
  for (int index = 0; index < 40'000; ++index) {
    process.arguments.push_back(std::to_string(index % 100'000));
  }
  Sink sink;
  CHECK(reader->arguments(kTarget, sink) == ArgsReason::kRead);
  CHECK(sink.heard(process.arguments));
  // The buffer of the first command line serves the next, of which nothing old may shine through.
  process.arguments = {"node"};
  Sink small;
  CHECK(reader->arguments(kTarget, small) == ArgsReason::kRead);
  CHECK(small.heard({"node"}));
  CHECK(kernel().count(Call::kArgmax) == 1);
}

// How many bytes of the largest buffer an argument of this length leaves free.
void command_line_at_the_limit(std::size_t over) {
  Process& process = add(kTarget, 77);
  process.path = "/bin/cat";  // 16 bytes with its padding
  process.environment.clear();
  process.apple.clear();
  const std::size_t room = (1 << 20) - sizeof(int);
  // Fills the string area to a multiple of 16 that is the last one to fit, or the first not to.
  process.arguments = {"cat", std::string(room / 16 * 16 - 16 - 4 - 1 + over, 'x')};
  const auto reader = ProcessReader::create();
  Sink sink;
  const ArgsReason reason = reader->arguments(kTarget, sink);
  if (over == 0) {
    CHECK(reason == ArgsReason::kRead);
    CHECK(sink.heard(process.arguments));
  } else {
    CHECK(reason == ArgsReason::kUnsupported);
    CHECK(sink.heard_nothing());
    CHECK(is(reader->inspect(kTarget, &sink).liveness, State::kAlive, Reason::kRunning));
  }
}
void longest_command_line_that_fits() { command_line_at_the_limit(0); }
void tail_of_a_longer_one_is_not_taken_for_it() { command_line_at_the_limit(1); }

void tail_is_refused_in_small_buffers_too() {
  // As if a kernel allowed longer command lines than kern.argmax says.
  const auto reader = ProcessReader::create();
  kernel().argument_space = 8192;
  for (std::size_t length = 8000; length < 8400; ++length) {
    Process& process = add(kTarget, 77);
    process.arguments = {"node", std::string(length, 'x')};
    Sink sink;
    const ArgsReason reason = reader->arguments(kTarget, sink);
    CHECK(reason == ArgsReason::kRead || reason == ArgsReason::kUnsupported);
    CHECK(reason == ArgsReason::kRead ? sink.heard(process.arguments) : sink.heard_nothing());
  }
}

void absurd_argument_spaces_are_not_believed() {
  for (const int space : {INT_MIN, -1, 0, 1, 4095, INT_MAX}) {
    fake_kernel::reset();
    kernel().argument_space = space;
    add(kTarget, 77).arguments = {"node", std::string(900'000, 'x')};
    Sink sink;
    CHECK(ProcessReader::create()->arguments(kTarget, sink) == ArgsReason::kRead);
  }
  fake_kernel::reset();
  kernel().errors[Call::kArgmax] = EPERM;
  add(kTarget, 77);
  Sink sink;
  CHECK(ProcessReader::create()->arguments(kTarget, sink) == ArgsReason::kRead);
}

void stack_scribbled_over_by_its_owner_is_unreadable() {
  add(kTarget, 77).rewrite = [](std::string& area) { area.assign(area.size(), 'x'); };
  const auto reader = ProcessReader::create();
  Sink sink;
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
  CHECK(seen.args_reason == ArgsReason::kUnsupported);
  CHECK(sink.heard_nothing());
}

void kernel_errors_while_reading_are_no_verdict() {
  add(kTarget, 77);
  const auto reader = ProcessReader::create();
  const struct {
    int error;
    ArgsReason reason;
  } cases[] = {{EPERM, ArgsReason::kAccessDenied},  {EACCES, ArgsReason::kAccessDenied},
               {EINVAL, ArgsReason::kAccessDenied}, {EIO, ArgsReason::kUnsupported},
               {ENOMEM, ArgsReason::kUnsupported},  {ENOSYS, ArgsReason::kUnsupported}};
  for (const auto& one : cases) {
    kernel().errors[Call::kProcargs] = one.error;
    Sink sink;
    const Snapshot seen = reader->inspect(kTarget, &sink);
    CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
    CHECK(seen.args_reason == one.reason);
    CHECK(reader->arguments(kTarget, sink) == one.reason);
    CHECK(sink.heard_nothing());
  }
}

// ---- races

// Runs `read` once for every call it makes, the event happening just before that call.
template <typename Read>
void at_every_call(const std::function<void()>& event, Read read) {
  for (std::size_t at = 1;; ++at) {
    fake_kernel::reset();
    add(kTarget, 77).arguments = {"node", "first.js"};
    bool happened = false;
    kernel().before = [&](Call, int) {
      if (kernel().calls.size() == at) {
        event();
        happened = true;
      }
    };
    read(at);
    if (!happened) {
      CHECK(at > 1);
      return;
    }
  }
}

void recycled_pid_is_never_mixed_with_its_successor() {
  at_every_call(recycle, [](std::size_t at) {
    Sink sink;
    const Snapshot seen = ProcessReader::create()->inspect(kTarget, &sink);
    if (seen.liveness.state == State::kGone) {
      CHECK(at > 1);
      CHECK(seen.args_reason == ArgsReason::kGone && !seen.start_time);
      CHECK(sink.heard_nothing());
    } else if (seen.start_time == kStart) {
      CHECK(sink.heard({"node", "first.js"}));
    } else {
      CHECK(at == 1);  // it was the successor from the first question on
      CHECK(sink.heard({"node", "intruder.js"}));
    }
  });
  at_every_call(recycle, [](std::size_t at) {
    Sink sink;
    const ArgsReason reason = ProcessReader::create()->arguments(kTarget, sink);
    if (reason == ArgsReason::kGone) {
      CHECK(at > 1 && sink.heard_nothing());
    } else {
      CHECK(reason == ArgsReason::kRead);
      CHECK(sink.heard({"node", at == 1 ? "intruder.js" : "first.js"}));
    }
  });
  at_every_call(recycle, [](std::size_t at) {
    const Identity identity = ProcessReader::create()->identity(kTarget);
    if (identity.liveness.state == State::kGone) {
      CHECK(at > 1 && !identity.exact_id && !identity.start_time);
    } else {
      const bool successor = at == 1;
      CHECK(identity.exact_id == std::uint64_t{successor ? 900'001u : 77u});
      CHECK((identity.start_time == kStart) == !successor);
    }
  });
}

void recycled_pid_without_unique_ids() {
  at_every_call(recycle, [](std::size_t) {
    kernel().errors[Call::kUniqueId] = EPERM;
    Sink sink;
    const Snapshot seen = ProcessReader::create()->inspect(kTarget, &sink);
    if (seen.liveness.state == State::kGone) {
      CHECK(sink.heard_nothing());
    } else {
      CHECK(sink.heard({"node", seen.start_time == kStart ? "first.js" : "intruder.js"}));
    }
  });
}

void exit_between_two_questions() {
  const std::function<void()> reaped = [] { kernel().processes.erase(kTarget); };
  const std::function<void()> unreaped = [] { kernel().processes[kTarget].state = SZOMB; };
  for (const auto& event : {reaped, unreaped}) {
    at_every_call(event, [](std::size_t) {
      Sink sink;
      const Snapshot seen = ProcessReader::create()->inspect(kTarget, &sink);
      if (seen.liveness.state == State::kGone) {
        CHECK(seen.args_reason == ArgsReason::kGone && sink.heard_nothing());
      } else {
        // Everything had been read before it ended.
        CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
        CHECK(seen.args_reason == ArgsReason::kRead && sink.heard({"node", "first.js"}));
      }
    });
    at_every_call(event, [](std::size_t) {
      Sink sink;
      const ArgsReason reason = ProcessReader::create()->arguments(kTarget, sink);
      CHECK(reason == ArgsReason::kRead ? sink.heard({"node", "first.js"})
                                        : reason == ArgsReason::kGone && sink.heard_nothing());
    });
    at_every_call(event, [](std::size_t) {
      const Identity identity = ProcessReader::create()->identity(kTarget);
      CHECK(identity.liveness.state == State::kGone ||
            (identity.exact_id == std::uint64_t{77} && identity.start_time == kStart));
    });
  }
}

void exec_is_not_an_end() {
  add(kTarget, 77).arguments = {"sh"};
  const auto reader = ProcessReader::create();
  const auto reference = reader->reference(kTarget);
  before_call(Call::kProcargs, 1,
              [] { kernel().processes[kTarget].arguments = {"node", "after-exec.js"}; });
  Sink sink;
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
  CHECK(seen.start_time == kStart);
  CHECK(sink.heard({"node", "after-exec.js"}));
  CHECK(reference != nullptr && !reference->exited());
}

// The new program's argc with the old one's stack, once: {"node"} and two of its secrets.
void exec_during_the_read_lets_no_environment_out() {
  const auto reader = ProcessReader::create();
  Process& process = add(kTarget, 77);
  process.id_version = 5;
  before_call(Call::kProcargs, 1, [] {
    Process& torn = kernel().processes[kTarget];
    torn.arguments = {"node", "SECRET=hunter2", "plain words"};
    torn.environment.clear();
  });
  const auto tear = kernel().before;
  kernel().before = [=](Call call, int nth) {
    tear(call, nth);
    if (call == Call::kUniqueId && nth == 2) {
      Process& after = kernel().processes[kTarget];
      after.id_version = 6;
      after.arguments = {"sh", "-c", "true"};
    }
  };
  Sink sink;
  CHECK(reader->arguments(kTarget, sink) == ArgsReason::kRead);
  CHECK(sink.heard({"sh", "-c", "true"}));
}

void process_that_never_stops_calling_exec_is_busy() {
  add(kTarget, 77);
  kernel().before = [](Call call, int) {
    if (call == Call::kProcargs) ++kernel().processes[kTarget].id_version;
  };
  const auto reader = ProcessReader::create();
  const auto reference = reader->reference(kTarget);
  Sink sink;
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
  CHECK(seen.args_reason == ArgsReason::kBusy);
  CHECK(seen.start_time == kStart);
  CHECK(sink.heard_nothing());
  CHECK(!reference->exited() && !reference->exited());
  CHECK(kernel().count(Call::kProcargs) < 10);
}

void successor_during_exec_is_still_a_successor() {
  add(kTarget, 77).id_version = 5;
  before_call(Call::kUniqueId, 2, [] { kernel().processes[kTarget].id_version = 6; });
  const auto first = kernel().before;
  kernel().before = [=](Call call, int nth) {
    first(call, nth);
    if (call == Call::kProcargs && nth == 2) recycle();
  };
  Sink sink;
  CHECK(ProcessReader::create()->arguments(kTarget, sink) == ArgsReason::kGone);
  CHECK(sink.heard_nothing());
}

// ---- sandboxes

void denied_state_is_asked_elsewhere() {
  const auto reader = ProcessReader::create();
  kernel().errors[Call::kShortInfo] = EPERM;
  add(kTarget, 77);
  CHECK(is(reader->liveness(kTarget), State::kAlive, Reason::kRunning));
  kernel().processes[kTarget].state = SZOMB;
  CHECK(is(reader->liveness(kTarget), State::kGone, Reason::kZombie));
  kernel().processes.clear();
  CHECK(is(reader->liveness(kTarget), State::kGone, Reason::kNoSuchProcess));
}

void denied_record_leaves_what_is_known_otherwise() {
  const auto reader = ProcessReader::create();
  kernel().errors[Call::kRecord] = EPERM;
  add(kTarget, 77).parent = 12;
  Sink sink;
  const Snapshot seen = reader->inspect(kTarget, &sink);
  CHECK(is(seen.liveness, State::kAlive, Reason::kRunning));
  CHECK(!seen.start_time && !seen.started_at_ms);
  CHECK(seen.parent == Pid{12});
  CHECK(seen.args_reason == ArgsReason::kRead && sink.heard({"node"}));
  const Identity identity = reader->identity(kTarget);
  CHECK(is(identity.liveness, State::kAlive, Reason::kRunning));
  CHECK(identity.exact_id == std::uint64_t{77} && !identity.start_time);
  kernel().processes[kTarget].state = SZOMB;
  CHECK(is(reader->inspect(kTarget, nullptr).liveness, State::kGone, Reason::kZombie));
  kernel().processes.clear();
  CHECK(is(reader->inspect(kTarget, nullptr).liveness, State::kGone, Reason::kNoSuchProcess));
}

void refuse_everything(int error) {
  for (const Call call : {Call::kUniqueId, Call::kShortInfo, Call::kRecord, Call::kProcargs,
                          Call::kBootSession, Call::kHostUuid}) {
    kernel().errors[call] = error;
  }
}

void denied_is_neither_alive_nor_dead() {
  const auto reader = ProcessReader::create();
  for (const int error : {EPERM, EACCES, ENOSYS, EIO}) {
    for (const int signal_error : {0, EPERM}) {
      fake_kernel::reset();
      refuse_everything(error);
      kernel().errors[Call::kKill] = signal_error;
      for (const char state : {SRUN, SZOMB}) {
        add(kTarget, 77).state = state;
        Sink sink;
        CHECK(is(reader->liveness(kTarget), State::kUnknown, Reason::kAccessDenied));
        const Snapshot seen = reader->inspect(kTarget, &sink);
        CHECK(is(seen.liveness, State::kUnknown, Reason::kAccessDenied));
        CHECK(seen.args_reason == ArgsReason::kAccessDenied);
        CHECK(!seen.start_time && !seen.parent);
        const Identity identity = reader->identity(kTarget);
        CHECK(is(identity.liveness, State::kUnknown, Reason::kAccessDenied));
        CHECK(!identity.exact_id && !identity.start_time);
        CHECK(reader->reference(kTarget) == nullptr);
        CHECK(sink.heard_nothing());
      }
      kernel().processes.clear();
      CHECK(is(reader->liveness(kTarget), State::kGone, Reason::kNoSuchProcess));
    }
  }
}

void signal_that_fails_otherwise_says_nothing() {
  refuse_everything(EPERM);
  kernel().errors[Call::kKill] = ENOSYS;
  add(kTarget, 77);
  const auto reader = ProcessReader::create();
  CHECK(is(reader->liveness(kTarget), State::kUnknown, Reason::kUnsupported));
}

void command_line_that_nobody_vouches_for_is_withheld() {
  kernel().errors[Call::kUniqueId] = EPERM;
  kernel().errors[Call::kRecord] = EPERM;
  add(kTarget, 77);
  const auto reader = ProcessReader::create();
  Sink sink;
  CHECK(reader->arguments(kTarget, sink) == ArgsReason::kAccessDenied);
  CHECK(reader->inspect(kTarget, &sink).args_reason == ArgsReason::kAccessDenied);
  CHECK(sink.heard_nothing());
}

// ---- identity, reference, host

void identity_outlives_everything_but_the_process() {
  add(kTarget, UINT64_MAX);
  const auto reader = ProcessReader::create();
  const Identity identity = reader->identity(kTarget);
  CHECK(is(identity.liveness, State::kAlive, Reason::kRunning));
  CHECK(identity.exact_id == std::uint64_t{UINT64_MAX});
  CHECK(identity.start_time == kStart);
  CHECK(is(reader->by_exact_id(UINT64_MAX), State::kUnknown, Reason::kUnsupported));
}

void watch_sees_every_kind_of_end() {
  const auto reader = ProcessReader::create();
  const std::vector<std::function<void()>> ends = {
      [] { kernel().processes.erase(kTarget); },
      [] { kernel().processes[kTarget].state = SZOMB; },
      recycle,
  };
  for (const auto& end : ends) {
    fake_kernel::reset();
    add(kTarget, 77);
    const auto reference = reader->reference(kTarget);
    CHECK(reference != nullptr && !reference->exited());
    kernel().processes[kTarget].exiting = true;
    CHECK(!reference->exited());
    end();
    CHECK(reference->exited() && reference->exited());
    // Even between its own two questions.
    add(kTarget, 77);
    const auto again = reader->reference(kTarget);
    before_call(Call::kShortInfo, kernel().count(Call::kShortInfo) + 1, end);
    again->exited();
    CHECK(again->exited());
  }
}

void watch_takes_a_refusal_for_nothing() {
  add(kTarget, 77);
  const auto reader = ProcessReader::create();
  const auto reference = reader->reference(kTarget);
  for (const int error : {EPERM, ENOMEM, EIO}) {
    kernel().errors[Call::kUniqueId] = error;
    CHECK(!reference->exited());
    kernel().errors.clear();
    kernel().errors[Call::kShortInfo] = error;
    CHECK(!reference->exited());
    kernel().errors.clear();
  }
  // Outlives its reader, and has nothing to close.
  auto other = ProcessReader::create();
  const auto orphan = other->reference(kTarget);
  other.reset();
  CHECK(!orphan->exited());
}

void watch_of_a_zombie_is_over_at_once() {
  add(kTarget, 77).state = SZOMB;
  const auto reference = ProcessReader::create()->reference(kTarget);
  CHECK(reference != nullptr && reference->exited());
}

void reference_tells_its_own_process() {
  add(kTarget, 77);
  const auto reader = ProcessReader::create();
  const auto reference = reader->reference(kTarget);
  CHECK(reference->identity().liveness.reason == Reason::kRunning);
  CHECK(reference->identity().exact_id == 77);
  // A sandbox that begins to refuse: whose facts they would be is not known.
  kernel().errors[Call::kUniqueId] = EPERM;
  CHECK(reference->identity().liveness.state == State::kUnknown);
  CHECK(!reference->identity().start_time);
  kernel().errors.clear();
  add(kTarget, 78);
  CHECK(reference->identity().liveness.reason == Reason::kNoSuchProcess);
  CHECK(!reference->identity().exact_id);
  kernel().processes.clear();
  CHECK(reference->identity().liveness.reason == Reason::kNoSuchProcess);
}

void signal_reaches_its_process_or_none() {
  add(kTarget, 77);
  const auto reader = ProcessReader::create();
  const auto reference = reader->reference(kTarget);
  CHECK(reference->signal(0) == Delivery::kSent);
  CHECK(kernel().signals.empty());
  CHECK(reference->signal(SIGTERM) == Delivery::kSent);
  CHECK(kernel().signals == (std::vector{std::pair<std::uint64_t, int>(77, SIGTERM)}));
  CHECK(reference->signal(32) == Delivery::kUnsupported);

  // Refused: by the kernel, by a sandbox that hides who it is.
  kernel().processes[kTarget].uid = 0;
  CHECK(reference->signal(SIGTERM) == Delivery::kAccessDenied);
  kernel().processes[kTarget].uid = 501;
  kernel().errors[Call::kUniqueId] = EPERM;
  CHECK(reference->signal(SIGTERM) == Delivery::kUnsupported);
  kernel().errors.clear();

  // Another process has the pid, a zombie, nothing.
  const std::size_t sent = kernel().signals.size();
  add(kTarget, 78);
  CHECK(reference->signal(SIGTERM) == Delivery::kGone);
  add(kTarget, 77).state = SZOMB;
  CHECK(reference->signal(SIGTERM) == Delivery::kGone);
  kernel().processes.clear();
  CHECK(reference->signal(SIGTERM) == Delivery::kGone);
  CHECK(kernel().signals.size() == sent);
}

void signal_that_comes_too_late_is_told() {
  add(kTarget, 77);
  const auto reader = ProcessReader::create();
  const auto reference = reader->reference(kTarget);
  before_call(Call::kKill, kernel().count(Call::kKill) + 1, [] { add(kTarget, 78); });
  CHECK(reference->signal(SIGTERM) == Delivery::kGone);
}

void list_has_every_process_but_the_kernel() {
  add(kTarget, 77);
  add(kTarget + 1, 78).state = SZOMB;
  const auto reader = ProcessReader::create();
  std::vector<pidentity::Pid> pids;
  CHECK(reader->list(pids));
  CHECK(std::ranges::count(pids, kTarget) == 1 && std::ranges::count(pids, kTarget + 1) == 1);
  CHECK(std::ranges::count(pids, 0U) == 0);

  // More of them than were advised for, since the first answer.
  pids.clear();
  before_call(Call::kListPids, kernel().count(Call::kListPids) + 2, [] {
    for (int i = 0; i < 500; ++i) add(1000 + i, 1000 + static_cast<std::uint64_t>(i));
  });
  CHECK(reader->list(pids));
  for (pidentity::Pid pid = 1000; pid < 1500; ++pid) CHECK(std::ranges::count(pids, pid) == 1);

  pids.clear();
  kernel().errors[Call::kListPids] = EPERM;
  CHECK(!reader->list(pids));
  CHECK(pids.empty());
}

void host_is_named() {
  const pidentity::HostFacts host = ProcessReader::create()->host();
  CHECK(host.machine_id == "564D3E0F-1234-5678-9ABC-DEF001234567");
  CHECK(host.boot_id == "7A3F1C52-90AB-4D0E-8C11-5B6D7E8F9A01");
  CHECK(host.pid_namespace == "0" && host.initial_pid_namespace);
  // Known to be none, which is not the same as unknown.
  CHECK(host.start_time_offset == 0.0 && host.monotonic_offset_ms == 0.0);
}

void clock_of_the_machine_leaves_sleep_out() {
  CHECK(pidentity::monotonic_ms() == 4'000'000'123.456789);
  kernel().uptime_seconds = 0;
  kernel().uptime_nanoseconds = 0;
  CHECK(pidentity::monotonic_ms() == 0.0);
  CHECK(kernel().count(Call::kUptime) == 2);
}

void clock_that_is_refused_is_unknown() {
  for (const int error : {EPERM, EINVAL}) {
    kernel().errors[Call::kUptime] = error;
    CHECK(!pidentity::monotonic_ms().has_value());
  }
}

void time_since_boot_is_compared_with_nothing_here() {
  CHECK(!pidentity::since_boot_ms().has_value());
  CHECK(kernel().calls.empty());
}

void file_system_of_an_open_file_is_its_number() {
  constexpr std::uint32_t kApfs = 0x1a;
  kernel().file_systems = {{3, kApfs}, {4, 0xffffffff}};
  CHECK(pidentity::file_system_type(3) == std::int64_t{kApfs});
  // Never a negative number.
  CHECK(pidentity::file_system_type(4) == std::int64_t{0xffffffff});
  CHECK(!pidentity::file_system_type(5).has_value());
  kernel().errors[Call::kFileSystem] = EPERM;
  CHECK(!pidentity::file_system_type(3).has_value());
}

void nameless_host_is_unknown() {
  const auto reader = ProcessReader::create();
  refuse_everything(EPERM);
  CHECK(reader->host().machine_id.empty() && reader->host().boot_id.empty());
  kernel().errors.clear();
  kernel().host_uuid.assign(16, 0);
  kernel().boot_session.clear();
  CHECK(reader->host().machine_id.empty() && reader->host().boot_id.empty());
  kernel().boot_session.assign(200, 'x');
  CHECK(reader->host().boot_id.empty());
}

}  // namespace

int main() {
  const auto test = [](const char* fear, void (*run)()) {
    fake_kernel::reset();
    check::test(fear, run);
  };
#define TEST(name) test(#name, name)
  TEST(running_process_is_described);
  TEST(liveness_and_start_time_are_one_question_each);
  TEST(free_pid_is_gone);
  TEST(impossible_pids_reach_no_call);
  TEST(zombie_is_gone_though_it_can_be_signalled);
  TEST(process_in_exit_is_alive_until_it_is_a_zombie);
  TEST(stopped_and_sleeping_processes_are_alive);
  TEST(launchd_has_no_parent);
  TEST(absurd_start_times_are_unknown);
  TEST(other_users_command_line_is_denied_and_the_rest_is_not);
  TEST(root_reads_every_command_line);
  TEST(environment_follows_and_stays_there);
  TEST(environment_left_out_by_the_kernel);
  TEST(rewritten_title_is_one_argument);
  TEST(arguments_of_the_form_of_environment_are_kept);
  TEST(bytes_that_are_no_utf8_survive);
  TEST(huge_command_lines_are_read_whole);
  TEST(longest_command_line_that_fits);
  TEST(tail_of_a_longer_one_is_not_taken_for_it);
  TEST(tail_is_refused_in_small_buffers_too);
  TEST(absurd_argument_spaces_are_not_believed);
  TEST(stack_scribbled_over_by_its_owner_is_unreadable);
  TEST(kernel_errors_while_reading_are_no_verdict);
  TEST(recycled_pid_is_never_mixed_with_its_successor);
  TEST(recycled_pid_without_unique_ids);
  TEST(exit_between_two_questions);
  TEST(exec_is_not_an_end);
  TEST(exec_during_the_read_lets_no_environment_out);
  TEST(process_that_never_stops_calling_exec_is_busy);
  TEST(successor_during_exec_is_still_a_successor);
  TEST(denied_state_is_asked_elsewhere);
  TEST(denied_record_leaves_what_is_known_otherwise);
  TEST(denied_is_neither_alive_nor_dead);
  TEST(signal_that_fails_otherwise_says_nothing);
  TEST(command_line_that_nobody_vouches_for_is_withheld);
  TEST(identity_outlives_everything_but_the_process);
  TEST(watch_sees_every_kind_of_end);
  TEST(watch_takes_a_refusal_for_nothing);
  TEST(watch_of_a_zombie_is_over_at_once);
  TEST(reference_tells_its_own_process);
  TEST(signal_reaches_its_process_or_none);
  TEST(signal_that_comes_too_late_is_told);
  TEST(list_has_every_process_but_the_kernel);
  TEST(host_is_named);
  TEST(nameless_host_is_unknown);
  TEST(clock_of_the_machine_leaves_sleep_out);
  TEST(clock_that_is_refused_is_unknown);
  TEST(time_since_boot_is_compared_with_nothing_here);
  TEST(file_system_of_an_open_file_is_its_number);
  return check::report();
}
