// native/linux on real processes, one fear per test. Also built as a static program against musl,
// where no Node runs, and under the sanitizers.
//
//   process_test               with pidfds
//   process_test --no-pidfds   in a sandbox that refuses them, as for Linux before 5.3
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "check.h"
#include "child.h"
#include "linux/proc_fs.h"

namespace pidentity {

// For the messages of check::equal().
std::ostream& operator<<(std::ostream& out, State state) { return out << static_cast<int>(state); }
std::ostream& operator<<(std::ostream& out, Reason reason) {
  return out << static_cast<int>(reason);
}
std::ostream& operator<<(std::ostream& out, ArgsReason reason) {
  return out << static_cast<int>(reason);
}
std::ostream& operator<<(std::ostream& out, Delivery delivery) {
  return out << static_cast<int>(delivery);
}

namespace {

using child::Child;

bool have_pidfds = true;

struct RecordingSink final : CommandLineSink {
  std::vector<std::string> raws;
  std::vector<std::string> list;

  void raw(std::string_view bytes) override { raws.emplace_back(bytes); }
  void argument(std::string_view bytes) override { list.emplace_back(bytes); }
  // Linux command lines are never UTF-16.
  void raw(std::u16string_view) override { std::abort(); }
  void argument(std::u16string_view) override { std::abort(); }
};

struct Seen {
  Snapshot snapshot;
  RecordingSink sink;
};

Seen inspect(Pid pid) {
  Seen seen;
  seen.snapshot = ProcessReader::create()->inspect(pid, &seen.sink);
  return seen;
}

Pid own_pid() { return static_cast<Pid>(::getpid()); }
Pid pid_of(const Child& process) { return static_cast<Pid>(process.pid()); }

// Compared as a whole first: a mismatch of a million bytes is not worth printing.
void equal_list(const std::vector<std::string>& got, const std::vector<std::string>& want,
                const std::source_location at = std::source_location::current()) {
  if (got == want) return;
  check::equal(got.size(), want.size(), at);
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    if (got[i] != want[i]) return check::equal(got[i].substr(0, 80), want[i].substr(0, 80), at);
  }
}

void is_gone(Pid pid, Reason reason,
             const std::source_location at = std::source_location::current()) {
  const auto reader = ProcessReader::create();
  check::equal(reader->liveness(pid).state, State::kGone, at);
  check::equal(reader->liveness(pid).reason, reason, at);
  check::equal(reader->start_time(pid).has_value(), false, at);
  RecordingSink sink;
  check::equal(reader->arguments(pid, sink), ArgsReason::kGone, at);
  const Snapshot snapshot = reader->inspect(pid, &sink);
  check::equal(snapshot.liveness.reason, reason, at);
  check::equal(snapshot.start_time.has_value() || snapshot.parent.has_value(), false, at);
  check::equal(snapshot.args_reason, ArgsReason::kGone, at);
  const Identity identity = reader->identity(pid);
  check::equal(identity.liveness.state, State::kGone, at);
  check::equal(identity.liveness.reason, reason, at);
  check::equal(identity.start_time.has_value() || identity.exact_id.has_value(), false, at);
  check::equal(sink.raws.size() + sink.list.size(), std::size_t{0}, at);
}

void is_running(Pid pid, const std::source_location at = std::source_location::current()) {
  const auto reader = ProcessReader::create();
  check::equal(reader->liveness(pid).state, State::kAlive, at);
  check::equal(reader->liveness(pid).reason, Reason::kRunning, at);
  const Identity identity = reader->identity(pid);
  check::equal(identity.liveness.reason, Reason::kRunning, at);
  check::equal(identity.start_time.has_value(), true, at);
  check::equal(reader->start_time(pid) == identity.start_time, true, at);
  check::equal(inspect(pid).snapshot.start_time == identity.start_time, true, at);
}

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Field 22 of the kernel's own line, by a parser of its own.
std::int64_t start_ticks(Pid pid) {
  const std::string line = file_text("/proc/" + std::to_string(pid) + "/stat");
  std::size_t at = line.rfind(')') + 1;
  for (int field = 3; field < 22; ++field) at = line.find(' ', at + 1);
  return std::strtoll(line.c_str() + at, nullptr, 10);
}

int open_descriptors() {
  DIR* const directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return -1;
  int count = 0;
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

// The kernel thread all others descend from; pid 2 may be anybody in a pid namespace of one's own.
bool have_kernel_threads() { return file_text("/proc/2/stat").starts_with("2 (kthreadd) "); }

void test_own_process() {
  check::test("this process is running and names its parent", [] {
    is_running(own_pid());
    const Seen seen = inspect(own_pid());
    check::equal(seen.snapshot.parent == static_cast<Pid>(::getppid()), true);
    check::equal(seen.snapshot.args_reason, ArgsReason::kRead);
    check::equal(seen.sink.raws.size(), std::size_t{1});
  });
  check::test("the start time is the kernel's field 22", [] {
    const auto reader = ProcessReader::create();
    // In the initial time namespace the two are equal.
    const double offset = reader->host().start_time_offset.value_or(-1);
    check::equal(offset, 0.0);
    check::equal(reader->start_time(own_pid()).value_or(-1), start_ticks(own_pid()));
  });
  check::test("the wall-clock start is in the past, and not long ago", [] {
    const Seen seen = inspect(own_pid());
    struct timespec now;
    ::clock_gettime(CLOCK_REALTIME, &now);
    const double now_ms = static_cast<double>(now.tv_sec) * 1e3;
    const double age_ms = now_ms - seen.snapshot.started_at_ms.value_or(0);
    // This program has run for less than an hour, and did not start in the future.
    check::equal(age_ms > -2000 && age_ms < 3'600'000, true);
  });
}

void test_children() {
  check::test("a child is not mistaken for its parent", [] {
    const Child process = Child::in_role("idle");
    is_running(pid_of(process));
    check::equal(inspect(pid_of(process)).snapshot.parent == own_pid(), true);
    const auto reader = ProcessReader::create();
    check::equal(reader->start_time(pid_of(process)).value_or(-1), start_ticks(pid_of(process)));
    if (have_pidfds) {
      check::equal(
          reader->identity(own_pid()).exact_id == reader->identity(pid_of(process)).exact_id &&
              reader->identity(own_pid()).exact_id.has_value(),
          false);
    }
  });
  check::test("a zombie is not alive", [] {
    const Child parent = Child::in_role("zombie-parent");
    is_gone(static_cast<Pid>(std::stoul(parent.first_line())), Reason::kZombie);
  });
  check::test("a killed child is gone, reaped or not", [] {
    Child process = Child::in_role("idle");
    process.kill_without_reaping();
    is_gone(pid_of(process), Reason::kZombie);
    process.end();
    is_gone(pid_of(process), Reason::kNoSuchProcess);
  });
  check::test("a process whose first thread has exited is not gone", [] {
    const Child process = Child::in_role("leader-exits");
    is_running(pid_of(process));
    const Seen seen = inspect(pid_of(process));
    // The leader's memory is no longer shown.
    check::equal(seen.snapshot.args_reason, ArgsReason::kRead);
    check::equal(seen.sink.list.size(), std::size_t{0});
  });
  check::test("a thread is not a process", [] {
    const Child process = Child::in_role("two-threads");
    const auto thread = static_cast<Pid>(std::stoul(process.first_line()));
    check::equal(thread == pid_of(process), false);
    is_gone(thread, Reason::kThreadId);
    is_running(pid_of(process));
  });
  check::test("the thread that outlived its leader is not a process", [] {
    const Child process = Child::in_role("leader-exits");
    is_gone(static_cast<Pid>(std::stoul(process.first_line())), Reason::kThreadId);
  });
  check::test("a number that no process can have is not asked for", [] {
    for (const Pid pid : {Pid{0}, (Pid{1} << 22) + 1, Pid{1} << 31, UINT32_MAX}) {
      is_gone(pid, Reason::kInvalidPid);
      check::equal(ProcessReader::create()->reference(pid) == nullptr, true);
    }
  });
  if (have_kernel_threads()) {
    check::test("a kernel thread is alive and has no arguments", [] {
      is_running(2);
      const Seen seen = inspect(2);
      check::equal(seen.snapshot.args_reason, ArgsReason::kRead);
      check::equal(seen.sink.list.size(), std::size_t{0});
      check::equal(seen.sink.raws == std::vector<std::string>{""}, true);
      check::equal(seen.snapshot.parent.has_value(), false);
    });
  } else {
    std::printf("does not apply on this host: a kernel thread is alive: pid 2 is none here\n");
  }
}

void has_arguments(const std::vector<std::string>& arguments,
                   const std::source_location at = std::source_location::current()) {
  const Child process = Child::in_role("idle", arguments);
  const Seen seen = inspect(pid_of(process));
  check::equal(seen.snapshot.args_reason, ArgsReason::kRead, at);
  equal_list(seen.sink.list, process.arguments(), at);
  RecordingSink sink;
  check::equal(ProcessReader::create()->arguments(pid_of(process), sink), ArgsReason::kRead, at);
  equal_list(sink.list, process.arguments(), at);
  std::string raw;
  for (const std::string& argument : process.arguments()) raw += argument + '\0';
  raw.pop_back();
  check::equal(sink.raws.size(), std::size_t{1}, at);
  check::equal(sink.raws[0] == raw, true, at);
}

void test_arguments() {
  check::test("no argument is lost or split", [] {
    has_arguments({});
    has_arguments({"one", "two words", "line\nbreak", "tab\t", ")", "\\"});
    has_arguments({"", "", "x", "", "y"});
    has_arguments({"x", "", ""});
    has_arguments({"\xff\xfe not UTF-8", "é", "\x01"});
  });
  check::test("1.8 MB of arguments are not cut short", [] {
    // 128 KiB is the most for a single one (MAX_ARG_STRLEN).
    std::vector<std::string> arguments(14, std::string(131'000, 'a'));
    for (std::size_t i = 0; i < arguments.size(); ++i) arguments[i][0] = static_cast<char>('A' + i);
    has_arguments(arguments);
  });
  check::test("skipped arguments are not read", [] {
    const Snapshot snapshot = ProcessReader::create()->inspect(own_pid(), nullptr);
    check::equal(snapshot.args_reason, ArgsReason::kSkipped);
    check::equal(snapshot.liveness.reason, Reason::kRunning);
  });
  check::test("a process that executes another program is neither torn nor gone", [] {
    const Child process = Child::in_role("exec-storm");
    const std::vector<std::string> few = child::storm_arguments(false);
    const std::vector<std::string> many = child::storm_arguments(true);
    const auto reader = ProcessReader::create();
    const std::int64_t start = start_ticks(pid_of(process));
    int seen_few = 0;
    int seen_many = 0;
    int others = 0;
    // Until both were seen often; the first program has arguments of its own.
    const bool enough = child::eventually([&] {
      for (int i = 0; i < 20; ++i) {
        RecordingSink sink;
        const Snapshot snapshot = reader->inspect(pid_of(process), &sink);
        if (snapshot.liveness.reason != Reason::kRunning) ++others;
        if (snapshot.start_time && *snapshot.start_time != start) ++others;
        if (snapshot.args_reason == ArgsReason::kBusy) continue;
        if (snapshot.args_reason != ArgsReason::kRead) {
          ++others;
        } else if (sink.list == few) {
          ++seen_few;
        } else if (sink.list == many) {
          ++seen_many;
        } else if (sink.list != process.arguments()) {
          ++others;
        }
      }
      return seen_few >= 100 && seen_many >= 100;
    });
    check::equal(enough, true);
    check::equal(others, 0);
  });
}

void test_references() {
  if (have_pidfds) {
    check::test("the end of a watched process is not missed, nor early", [] {
      Child process = Child::in_role("idle");
      const auto reference = ProcessReader::create()->reference(pid_of(process));
      check::equal(reference != nullptr, true);
      if (reference == nullptr) return;
      check::equal(reference->exited(), false);
      process.kill_without_reaping();
      check::equal(reference->exited(), true);
      process.end();
      check::equal(reference->exited(), true);
    });
    check::test("nothing is watched that is no process", [] {
      Child process = Child::in_role("two-threads");
      const auto reader = ProcessReader::create();
      const auto thread = static_cast<Pid>(std::stoul(process.first_line()));
      check::equal(reader->reference(thread) == nullptr, true);
      process.end();
      check::equal(reader->reference(pid_of(process)) == nullptr, true);
    });
    check::test("a reference tells its own process's identity, and of its end", [] {
      Child process = Child::in_role("idle");
      const auto reader = ProcessReader::create();
      const Identity by_pid = reader->identity(pid_of(process));
      const auto reference = reader->reference(pid_of(process));
      check::equal(reference != nullptr, true);
      if (reference == nullptr) return;
      const Identity identity = reference->identity();
      check::equal(identity.liveness.reason, Reason::kRunning);
      check::equal(identity.start_time == by_pid.start_time, true);
      check::equal(identity.exact_id == by_pid.exact_id, true);
      process.kill_without_reaping();
      check::equal(reference->identity().liveness.reason, Reason::kZombie);
      process.end();
      check::equal(reference->identity().liveness.reason, Reason::kNoSuchProcess);
      check::equal(reference->identity().start_time.has_value(), false);
    });
    check::test("a signal reaches the process of its reference, and no ended one", [] {
      Child process = Child::in_role("idle");
      const auto reader = ProcessReader::create();
      const auto reference = reader->reference(pid_of(process));
      check::equal(reference != nullptr, true);
      if (reference == nullptr) return;
      check::equal(reference->signal(0), Delivery::kSent);
      check::equal(reference->signal(1000), Delivery::kUnsupported);
      check::equal(reference->exited(), false);
      check::equal(reference->signal(SIGKILL), Delivery::kSent);
      while (!reference->exited()) usleep(1000);
      check::equal(reference->signal(0), Delivery::kGone);
      check::equal(reference->signal(SIGKILL), Delivery::kGone);
      process.end();
      check::equal(reference->signal(SIGKILL), Delivery::kGone);
    });
  } else {
    check::test("without pidfds nothing is watched", [] {
      check::equal(ProcessReader::create()->reference(own_pid()) == nullptr, true);
      check::equal(ProcessReader::create()->identity(own_pid()).exact_id.has_value(), false);
    });
  }
  check::test("the list has every process once, zombies too, and no thread", [] {
    Child process = Child::in_role("two-threads");
    const auto thread = static_cast<Pid>(std::stoul(process.first_line()));
    Child dead = Child::in_role("idle");
    dead.kill_without_reaping();
    std::vector<Pid> pids;
    check::equal(ProcessReader::create()->list(pids), true);
    check::equal(std::ranges::count(pids, pid_of(process)), 1);
    check::equal(std::ranges::count(pids, pid_of(dead)), 1);
    check::equal(std::ranges::count(pids, own_pid()), 1);
    check::equal(std::ranges::count(pids, thread), 0);
    std::ranges::sort(pids);
    check::equal(std::ranges::adjacent_find(pids) == pids.end(), true);
    process.end();
    dead.end();
  });
  check::test("an exact id finds its process and no other", [] {
    Child process = Child::in_role("idle");
    const auto reader = ProcessReader::create();
    const std::optional<std::uint64_t> id = reader->identity(pid_of(process)).exact_id;
    // From Linux 6.14 on, and with pidfds; anywhere else it must say that it cannot know.
    const Liveness running = id ? reader->by_exact_id(*id) : reader->by_exact_id(1);
    if (running.reason == Reason::kUnsupported) {
      check::equal(running.state, State::kUnknown);
      std::printf("does not apply on this host: an exact id finds its process and no other: %s\n",
                  have_pidfds ? "this kernel looks up none" : "no pidfds");
      return;
    }
    check::equal(id.has_value(), true);
    check::equal(running.reason, Reason::kRunning);
    const auto reference = reader->reference_by_exact_id(id.value_or(0));
    check::equal(reference != nullptr, true);
    if (reference == nullptr) return;
    check::equal(reference->identity().exact_id == id, true);
    check::equal(reference->signal(SIGKILL), Delivery::kSent);
    while (!reference->exited()) usleep(1000);
    check::equal(reference->identity().liveness.reason, Reason::kZombie);
    process.kill_without_reaping();
    check::equal(reader->by_exact_id(id.value_or(0)).reason, Reason::kZombie);
    process.end();
    const Liveness ended = reader->by_exact_id(id.value_or(0));
    // Absence is a proof in the initial pid namespace only.
    check::equal(ended.reason, reader->host().initial_pid_namespace ? Reason::kNoSuchProcess
                                                                    : Reason::kUnsupported);
  });
}

void ask_everything(ProcessReader& reader, Pid pid) {
  RecordingSink sink;
  reader.liveness(pid);
  reader.start_time(pid);
  reader.arguments(pid, sink);
  reader.inspect(pid, &sink);
  reader.identity(pid);
  reader.by_exact_id(pid);
  if (const auto reference = reader.reference(pid)) {
    reference->identity();
    reference->signal(0);
  }
  reader.reference_by_exact_id(pid);
  std::vector<Pid> pids;
  reader.list(pids);
}

// A child that does nothing, under a free number of our choice (Linux 5.5, with the right to). Its
// pid, or -1 and errno.
pid_t fork_with_number(pid_t number) {
  constexpr long kClone3 = 435;  // the same everywhere
  // include/uapi/linux/sched.h struct clone_args, which C libraries older than it do not have
  struct {
    std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    std::uint64_t set_tid, set_tid_size;
  } arguments = {};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<std::uintptr_t>(&number);
  arguments.set_tid_size = 1;
  const long pid = ::syscall(kClone3, &arguments, sizeof arguments);
  if (pid != 0) return static_cast<pid_t>(pid);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) ::pause();
}

void test_resources() {
  check::test("no descriptor is left open", [] {
    const Child zombie = Child::in_role("zombie-parent");
    const Child leader = Child::in_role("leader-exits");
    const auto reader = ProcessReader::create();
    const int before = open_descriptors();
    for (int i = 0; i < 500; ++i) {
      for (const std::string& number : {zombie.first_line(), leader.first_line()}) {
        ask_everything(*reader, static_cast<Pid>(std::stoul(number)));
      }
      ask_everything(*reader, own_pid());
      ask_everything(*reader, pid_of(leader));
      ask_everything(*reader, 1U << 22);
      reader->host();
    }
    check::equal(open_descriptors(), before);
  });
  check::test("for want of a descriptor no live process is gone", [] {
    const Child process = Child::in_role("idle");
    struct rlimit limit;
    check::equal(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {0, limit.rlim_max};
    // Both what has been asked before and what has not.
    const auto old_reader = ProcessReader::create();
    ask_everything(*old_reader, pid_of(process));
    check::equal(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto new_reader = ProcessReader::create();
    std::vector<Liveness> answers;
    for (ProcessReader* const reader : {old_reader.get(), new_reader.get()}) {
      for (const Pid pid : {own_pid(), pid_of(process)}) {
        RecordingSink sink;
        answers.push_back(reader->liveness(pid));
        answers.push_back(reader->inspect(pid, &sink).liveness);
        answers.push_back(reader->identity(pid).liveness);
        answers.push_back(reader->by_exact_id(pid));
      }
    }
    check::equal(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (const Liveness& answer : answers) {
      check::equal(answer.state == State::kGone, false);
    }
    // What was refused once must not be remembered.
    check::equal(old_reader->liveness(pid_of(process)).reason, Reason::kRunning);
    check::equal(old_reader->identity(pid_of(process)).exact_id.has_value(), have_pidfds);
  });
  check::test("open files of a process never show the one that has its number later", [] {
    Child process = Child::in_role("idle", {"the", "first"});
    const Pid pid = pid_of(process);
    ProcDirectory files(pid);
    ProcStat stat;
    ByteBuffer buffer;
    check::equal(files.open(true), 0);
    check::equal(files.read_stat(stat), 0);
    check::equal(files.read_command_line(stat.arg_length(), buffer), 0);
    process.end();
    check::equal(files.read_stat(stat), ESRCH);
    check::equal(files.read_command_line(0, buffer), ESRCH);

    const pid_t later = fork_with_number(static_cast<pid_t>(pid));
    if (later < 0) {
      std::printf("does not apply on this host: a number given again: %s\n", std::strerror(errno));
      return;
    }
    ProcDirectory others(pid);
    check::equal(others.open(true), 0);
    check::equal(others.read_stat(stat), 0);
    check::equal(files.read_stat(stat), ESRCH);
    check::equal(files.read_command_line(0, buffer), ESRCH);
    check::equal(::kill(later, SIGKILL), 0);
    check::equal(::waitpid(later, nullptr, 0), later);
  });
  check::test("readers of several threads do not disturb each other", [] {
    const Child process = Child::in_role("idle", {"of", "several", "threads"});
    std::vector<int> wrong(4, 0);
    std::vector<std::thread> threads;
    for (int& count : wrong) {
      threads.emplace_back([&process, &count] {
        const auto reader = ProcessReader::create();
        for (int i = 0; i < 500; ++i) {
          RecordingSink sink;
          const Snapshot snapshot = reader->inspect(pid_of(process), &sink);
          if (snapshot.liveness.reason != Reason::kRunning || sink.list != process.arguments()) {
            ++count;
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const int count : wrong) check::equal(count, 0);
  });
}

void test_host() {
  check::test("the host's facts are the kernel's, at each call", [] {
    const HostFacts one = ProcessReader::create()->host();
    const HostFacts other = ProcessReader::create()->host();
    check::equal(one.boot_id + "\n", file_text("/proc/sys/kernel/random/boot_id"));
    check::equal(one.boot_id == other.boot_id && one.machine_id == other.machine_id, true);
    char link[64] = {};
    check::equal(::readlink("/proc/self/ns/pid", link, sizeof link - 1) > 0, true);
    check::equal("pid:[" + one.pid_namespace + "]", std::string(link));
    // include/linux/proc_ns.h PROC_PID_INIT_INO
    check::equal(one.initial_pid_namespace, one.pid_namespace == "4026531836");
  });
}

// Makes pidfd_open(2) fail for this process and its children. Its number is the same everywhere.
void refuse_pidfds() {
  constexpr unsigned kPidfdOpen = 434;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kPidfdOpen, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog filter = {static_cast<unsigned short>(std::size(code)), code};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    std::perror("cannot refuse pidfds");
    std::exit(2);
  }
  have_pidfds = false;
}

}  // namespace
}  // namespace pidentity

int main(int argc, char** argv) {
  child::play_role(argc, argv);
  if (argc == 2 && std::strcmp(argv[1], "--no-pidfds") == 0) {
    pidentity::refuse_pidfds();
  } else if (argc != 1) {
    std::fprintf(stderr, "unknown option: %s\n", argv[1]);
    return 2;
  }
  pidentity::test_own_process();
  pidentity::test_children();
  pidentity::test_arguments();
  pidentity::test_references();
  pidentity::test_resources();
  pidentity::test_host();
  return check::report();
}
