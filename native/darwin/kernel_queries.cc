#include "darwin/kernel_queries.h"

#include <libproc.h>
#include <signal.h>
#include <sys/proc.h>
#include <sys/proc_info.h>
#include <sys/sysctl.h>

#include <cerrno>

namespace pidentity {

namespace {

// The flavor and its struct stand in the private half of XNU's bsd/sys/proc_info.h; unchanged since
// OS X 10.9 but for id_version, which was reserved.
constexpr int kUniqueIdentifierFlavor = 17;
struct UniqueIdentifierInfo {
  std::uint8_t executable_uuid[16];
  std::uint64_t unique_id;
  std::uint64_t parent_unique_id;
  std::int32_t id_version;
  std::uint32_t reserved2;
  std::uint64_t reserved3;
  std::uint64_t reserved4;
};
static_assert(sizeof(UniqueIdentifierInfo) == 56);
static_assert(offsetof(UniqueIdentifierInfo, unique_id) == 16);
static_assert(offsetof(UniqueIdentifierInfo, id_version) == 32);

// The `arg` of these flavors: search the zombies as well.
constexpr std::uint64_t kIncludeZombies = 1;

// XNU's proc_bsdshortinfo and user64_kinfo_proc.
static_assert(sizeof(proc_bsdshortinfo) == 64);
static_assert(sizeof(kinfo_proc) == 648);

// The last whole second whose microseconds a JavaScript number holds exactly.
constexpr std::int64_t kMaxSeconds = 9'007'199'253;

// kern.argmax has been ARG_MAX, 1 MiB, for as long as 64-bit macOS exists.
constexpr std::size_t kUsualArgumentSpace = std::size_t{1} << 20;
constexpr std::size_t kLeastArgumentSpace = std::size_t{1} << 12;
constexpr std::size_t kMostArgumentSpace = std::size_t{1} << 24;

Answer answer_of(int error) {
  switch (error) {
    case ESRCH:
      return Answer::kGone;
    case EPERM:
    case EACCES:
      return Answer::kRefused;
    default:
      return Answer::kFailed;
  }
}

template <typename Info>
Answer ask_pidinfo(pid_t pid, int flavor, Info& info) {
  errno = 0;
  // libproc turns the system call's -1 into 0.
  const int size = ::proc_pidinfo(pid, flavor, kIncludeZombies, &info, sizeof info);
  if (size <= 0) return answer_of(errno);
  return size == static_cast<int>(sizeof info) ? Answer::kGiven : Answer::kFailed;
}

template <std::size_t kLength>
int query(int (&name)[kLength], void* buffer, std::size_t& size) {
  return ::sysctl(name, kLength, buffer, &size, nullptr, 0) == 0 ? 0 : errno;
}

}  // namespace

UniqueId ask_unique_id(pid_t pid) {
  UniqueIdentifierInfo info{};
  const Answer answer = ask_pidinfo(pid, kUniqueIdentifierFlavor, info);
  return {answer, info.unique_id, info.id_version};
}

Status ask_status(pid_t pid) {
  Status status;
  proc_bsdshortinfo info{};
  status.answer = ask_pidinfo(pid, PROC_PIDT_SHORTBSDINFO, info);
  status.zombie = info.pbsi_status == SZOMB;
  status.exiting = (info.pbsi_flags & PROC_FLAG_INEXIT) != 0;
  status.parent = static_cast<pid_t>(info.pbsi_ppid);
  return status;
}

Record ask_record(pid_t pid) {
  Record record;
  kinfo_proc info{};
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, pid};
  std::size_t size = sizeof info;
  if (const int error = query(name, &info, size)) {
    record.answer = answer_of(error);
    return record;
  }
  if (size == 0) {
    record.answer = Answer::kGone;
    return record;
  }
  if (size != sizeof info || info.kp_proc.p_pid != pid) return record;

  record.answer = Answer::kGiven;
  record.zombie = info.kp_proc.p_stat == SZOMB;
  record.parent = info.kp_eproc.e_ppid;
  const std::int64_t seconds = info.kp_proc.p_starttime.tv_sec;
  const std::int64_t microseconds = info.kp_proc.p_starttime.tv_usec;
  if (seconds > 0 && seconds <= kMaxSeconds && microseconds >= 0 && microseconds < 1'000'000) {
    record.start_time = seconds * 1'000'000 + microseconds;
  }
  return record;
}

int read_argument_strings(pid_t pid, char* buffer, std::size_t& size) {
  int name[] = {CTL_KERN, KERN_PROCARGS2, pid};
  return query(name, buffer, size);
}

std::size_t ask_argument_space() {
  int name[] = {CTL_KERN, KERN_ARGMAX};
  int space = 0;
  std::size_t size = sizeof space;
  if (query(name, &space, size) != 0 || size != sizeof space || space < 0) {
    return kUsualArgumentSpace;
  }
  const auto bytes = static_cast<std::size_t>(space);
  return bytes < kLeastArgumentSpace || bytes > kMostArgumentSpace ? kUsualArgumentSpace : bytes;
}

PidUse ask_by_signal(pid_t pid) {
  if (::kill(pid, 0) == 0 || errno == EPERM) return PidUse::kTaken;
  return errno == ESRCH ? PidUse::kFree : PidUse::kUnknown;
}

int send_signal(pid_t pid, int number) { return ::kill(pid, number) == 0 ? 0 : errno; }

bool list_all(std::vector<Pid>& pids) {
  // More than there are is asked for, since processes start meanwhile.
  constexpr std::size_t kSlack = 64;
  constexpr int kMaxTries = 8;
  std::vector<pid_t> found;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    const int wanted = ::proc_listpids(PROC_ALL_PIDS, 0, nullptr, 0);
    if (wanted <= 0) return false;
    found.resize(static_cast<std::size_t>(wanted) / sizeof(pid_t) + kSlack);
    const auto room = static_cast<int>(found.size() * sizeof(pid_t));
    const int filled = ::proc_listpids(PROC_ALL_PIDS, 0, found.data(), room);
    if (filled <= 0) return false;
    // A list that fills the room may go on.
    if (filled >= room) continue;
    found.resize(static_cast<std::size_t>(filled) / sizeof(pid_t));
    for (const pid_t pid : found) {
      if (pid > 0) pids.push_back(static_cast<Pid>(pid));
    }
    return true;
  }
  return false;
}

}  // namespace pidentity
