#include "child.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "file_lock.h"

namespace child {
namespace {

// More than the first read of a command line expects.
constexpr int kManyArguments = 2000;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::_Exit(2);
}

void say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    fail("write");
  }
}

[[noreturn]] void end_with_input() {
  char byte;
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count == 0 || (count < 0 && errno != EINTR)) std::_Exit(0);
  }
}

std::string thread_id() { return std::to_string(::syscall(SYS_gettid)); }

bool leader_is_zombie() {
  std::ifstream file("/proc/" + std::to_string(::getpid()) + "/stat");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 4, ") Z ") == 0;
}

void start_thread(void* (*body)(void*)) {
  pthread_t thread;
  errno = pthread_create(&thread, nullptr, body, nullptr);
  if (errno != 0) fail("pthread_create");
}

[[noreturn]] void two_threads() {
  start_thread([](void*) -> void* {
    say(thread_id());
    end_with_input();
  });
  for (;;) ::pause();
}

[[noreturn]] void leader_exits() {
  start_thread([](void*) -> void* {
    if (!eventually(leader_is_zombie)) std::_Exit(2);
    say(thread_id());
    end_with_input();
  });
  // The system call rather than pthread_exit(), which unwinds and runs destructors.
  ::syscall(SYS_exit, 0);
  std::_Exit(2);
}

[[noreturn]] void zombie_parent() {
  const pid_t pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid == 0) std::_Exit(0);
  siginfo_t info;
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0) fail("waitid");
  say(std::to_string(pid));
  end_with_input();
}

// Valgrind answers readlink(2) with this program, but would execute itself for /proc/self/exe.
std::string own_path() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size < 0 || static_cast<std::size_t>(size) == sizeof path) fail("readlink");
  return {path, static_cast<std::size_t>(size)};
}

[[noreturn]] void execute(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  ::execv(own_path().c_str(), pointers.data());
  fail("execv");
}

[[noreturn]] void exec_storm(int argc) {
  // Kept over execve(); whoever starts this may have died before this line.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("prctl");
  if (::getppid() == 1) std::_Exit(0);
  // In its first program only: this process starts with no further argument.
  if (argc == 3) say("ready");
  execute(storm_arguments(argc != static_cast<int>(storm_arguments(true).size())));
}

[[noreturn]] void hold_lock(const char* path) {
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) fail(path);
  say(std::to_string(pidentity::lock_try_exclusive(fd)));
  end_with_input();
}

std::string read_line(int fd) {
  std::string line;
  for (;;) {
    char byte;
    const ssize_t count = ::read(fd, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      std::fprintf(stderr, "a child ended before its first line: \"%s\"\n", line.c_str());
      std::exit(2);
    }
    if (byte == '\n') return line;
    line += byte;
  }
}

}  // namespace

std::vector<std::string> storm_arguments(bool many) {
  std::vector<std::string> arguments = {"storm", kRole, "exec-storm", many ? "many" : "few"};
  for (int i = 0; many && i < kManyArguments; ++i) arguments.push_back(std::to_string(i));
  return arguments;
}

void play_role(int argc, char** argv) {
  if (argc < 3 || std::strcmp(argv[1], kRole) != 0) return;
  const std::string role = argv[2];
  if (role == "idle") {
    say("ready");
    end_with_input();
  }
  if (role == "two-threads") two_threads();
  if (role == "leader-exits") leader_exits();
  if (role == "zombie-parent") zombie_parent();
  if (role == "exec-storm") exec_storm(argc);
  if (role == "hold-lock" && argc == 4) hold_lock(argv[3]);
  std::fprintf(stderr, "unknown role: %s\n", argv[2]);
  std::_Exit(2);
}

Child Child::in_role(const std::string& role, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"child", kRole, role};
  all.insert(all.end(), arguments.begin(), arguments.end());
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) fail("pipe2");
  const pid_t pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    if (::dup2(input[0], STDIN_FILENO) < 0 || ::dup2(output[1], STDOUT_FILENO) < 0) fail("dup2");
    execute(all);
  }
  ::close(input[0]);
  ::close(output[1]);
  std::string line = read_line(output[0]);
  ::close(output[0]);
  return {pid, input[1], std::move(line), std::move(all)};
}

Child::~Child() { end(); }

void Child::kill_without_reaping() {
  ::kill(pid_, SIGKILL);
  siginfo_t info;
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0) fail("waitid");
}

void Child::end() {
  if (input_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::close(input_);
  input_ = -1;
  ::waitpid(pid_, nullptr, 0);
}

bool eventually(const std::function<bool()>& condition) {
  constexpr struct timespec kPause = {0, 1'000'000};
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    if (condition()) return true;
    ::nanosleep(&kPause, nullptr);
  }
  return false;
}

}  // namespace child
