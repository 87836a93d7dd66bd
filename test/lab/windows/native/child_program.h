// Real child processes: the test program started again in one of a few modes.
#ifndef PIDENTITY_TEST_NATIVE_WINDOWS_CHILD_PROGRAM_H_
#define PIDENTITY_TEST_NATIVE_WINDOWS_CHILD_PROGRAM_H_

#include <windows.h>

#include <cstddef>
#include <string>

// A running child. It ends when its standard input is closed; a handle to it is kept until the
// object goes away.
class Child {
 public:
  struct Options {
    std::wstring arguments;  // appended to the program's quoted path as they are
    DWORD creation_flags = 0;
    SECURITY_ATTRIBUTES* security = nullptr;
    bool wait_until_ready = true;  // the child writes one byte when it has done its mode's work
  };
  explicit Child(const Options& options);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  DWORD pid() const { return pid_; }
  HANDLE process() const { return process_; }
  bool started() const { return process_ != nullptr; }
  const std::wstring& command_line() const { return command_line_; }

  // Closes its input and waits for its end; the handle stays open. The exit code.
  DWORD finish();
  // Closes our handle to it.
  void forget();

 private:
  HANDLE process_ = nullptr;
  HANDLE thread_ = nullptr;
  HANDLE input_ = nullptr;
  DWORD pid_ = 0;
  std::wstring command_line_;
};

// What main() does when it was started as a child; -1 when it was not.
int run_as_child(int argc, wchar_t** argv);

// A page of this process behind which there is nothing; null when no such place was found. Nothing,
// not a guard page: Wine reads other processes through page protection.
std::byte* page_before_nothing();

// argc and argv as the C runtime would have them, without depending on its start-up flavour.
struct ProgramArguments {
  ProgramArguments();
  ~ProgramArguments();
  int count = 0;
  wchar_t** values = nullptr;
};

#endif  // PIDENTITY_TEST_NATIVE_WINDOWS_CHILD_PROGRAM_H_
