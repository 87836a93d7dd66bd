#include "windows/handle_reference.h"

#include <windows.h>

#include <new>
#include <utility>

namespace pidentity {
namespace {

// The exit code of what process.kill() of Node ends, too.
constexpr UINT kEndedBySignal = 1;

class HandleReference final : public ProcessReference {
 public:
  HandleReference(Pid pid, ProcessHandle process, ProcessReader& reader,
                  OpenProcessFunction open_process) noexcept
      : pid_(pid), process_(std::move(process)), reader_(reader), open_process_(open_process) {}

  bool exited() override { return WaitForSingleObject(process_.get(), 0) == WAIT_OBJECT_0; }

  Identity identity() override { return reader_.identity(pid_); }

  Delivery signal(int number) override {
    if (exited()) return Delivery::kGone;
    // The right to end it is asked for only now: most references are only waited for.
    const ProcessHandle process(open_process_(PROCESS_TERMINATE, FALSE, pid_));
    if (process && (number == 0 || TerminateProcess(process.get(), kEndedBySignal))) {
      return Delivery::kSent;
    }
    const bool denied = GetLastError() == ERROR_ACCESS_DENIED;
    // To end what is ending is denied as well.
    if (exited()) return Delivery::kGone;
    return denied ? Delivery::kAccessDenied : Delivery::kUnsupported;
  }

 private:
  Pid pid_;
  ProcessHandle process_;
  ProcessReader& reader_;
  OpenProcessFunction open_process_;
};

}  // namespace

std::unique_ptr<ProcessReference> refer_to(Pid pid, ProcessHandle process, ProcessReader& reader,
                                           OpenProcessFunction open_process) noexcept {
  return std::unique_ptr<ProcessReference>(
      new (std::nothrow) HandleReference(pid, std::move(process), reader, open_process));
}

}  // namespace pidentity
