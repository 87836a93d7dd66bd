// Child processes of the tests: this very program under another role, so that the tests need
// nothing but themselves and can be one static file.
#ifndef PIDENTITY_TEST_NATIVE_LINUX_CHILD_H_
#define PIDENTITY_TEST_NATIVE_LINUX_CHILD_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace child {

// The roles, each with its first line of output, after which it is what it shall be. All end with
// their standard input.
//
//   idle [argument...]     "ready"
//   two-threads            the id of a second thread
//   leader-exits           the id of the second thread, once the first one has exited
//   zombie-parent          the pid of a child that has exited and is not reaped
//   exec-storm             "ready"; executes itself again and again, by turns with few and many
//                          arguments, until its parent is gone
//   hold-lock <path>       the answer of lock_try_exclusive()
inline constexpr const char* kRole = "--role";

// Plays the role that the arguments name and ends the process; returns when they name none.
void play_role(int argc, char** argv);

// The command lines that exec-storm takes on by turns.
std::vector<std::string> storm_arguments(bool many);

class Child {
 public:
  // Starts this program again with exactly these arguments and reads its first line.
  static Child in_role(const std::string& role, const std::vector<std::string>& arguments = {});

  // Killed and reaped.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& first_line() const { return first_line_; }
  const std::vector<std::string>& arguments() const { return arguments_; }

  // Sends SIGKILL and waits for the end without reaping: a zombie is left.
  void kill_without_reaping();
  void end();

 private:
  Child(pid_t pid, int input, std::string first_line, std::vector<std::string> arguments)
      : pid_(pid),
        input_(input),
        first_line_(std::move(first_line)),
        arguments_(std::move(arguments)) {}

  pid_t pid_;
  int input_;
  std::string first_line_;
  std::vector<std::string> arguments_;
};

// Asks until the answer is true; false when that took longer than ten seconds.
bool eventually(const std::function<bool()>& condition);

}  // namespace child

#endif  // PIDENTITY_TEST_NATIVE_LINUX_CHILD_H_
