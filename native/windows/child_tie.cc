#include "child_tie.h"

#include <windows.h>

#include <new>
#include <utility>

#include "unique_handle.h"

namespace pidentity {
namespace {

struct JobHandleTraits {
  using Handle = HANDLE;
  static constexpr Handle invalid() { return nullptr; }
  static void close(Handle handle) { CloseHandle(handle); }
};

using JobHandle = UniqueHandle<JobHandleTraits>;

bool set_limits(HANDLE job, DWORD flags) {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = flags;
  return SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits) !=
         FALSE;
}

// This process itself is in the job, not each child once it was started: there is no moment in
// which a child runs outside it. The kernel closes the handle, which no other process has, when
// this process ends; that ends all that are in the job (JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE). Jobs
// nest since Windows 8: the one that this process may be in already stays.
class Job final : public ChildTie {
 public:
  explicit Job(JobHandle job) : job_(std::move(job)) {}

  bool loosen() override {
    if (!set_limits(job_.get(), 0)) return false;
    job_.reset();
    return true;
  }

 private:
  JobHandle job_;
};

}  // namespace

std::unique_ptr<ChildTie> ChildTie::create() {
  JobHandle job(CreateJobObjectW(nullptr, nullptr));
  if (!job || !set_limits(job.get(), JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)) return nullptr;
  const HANDLE handle = job.get();
  // Before this process is in the job: nothing may fail, and close it, afterwards.
  std::unique_ptr<ChildTie> tie(new (std::nothrow) Job(std::move(job)));
  if (!tie || AssignProcessToJobObject(handle, GetCurrentProcess()) == FALSE) return nullptr;
  return tie;
}

}  // namespace pidentity
