#include "fake_kernel.h"

#include <gethostuuid.h>
#include <libproc.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/proc_info.h>
#include <sys/sysctl.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fake_kernel {

namespace {

constexpr std::size_t kArgMax = 1 << 20;
constexpr std::size_t kPage = 16384;  // Apple silicon
constexpr int kUniqueIdentifierFlavor = 17;

Kernel current;

[[noreturn]] void unexpected(const char* what, long value) {
  std::fprintf(stderr, "fake kernel: %s: %ld\n", what, value);
  std::exit(2);
}

// 0, or the errno that a sandbox makes of it.
int enter(Call call) {
  current.calls.push_back(call);
  if (current.before) current.before(call, current.count(call));
  const auto error = current.errors.find(call);
  return error == current.errors.end() ? 0 : error->second;
}

int fail(int error) {
  errno = error;
  return -1;
}

Process* find(pid_t pid) {
  const auto found = current.processes.find(pid);
  return found == current.processes.end() ? nullptr : &found->second;
}

// XNU's proc_find: neither zombies nor what is past the point of no return in exit().
Process* find_living(pid_t pid) {
  Process* process = find(pid);
  return process == nullptr || process->state == SZOMB || process->exiting ? nullptr : process;
}

std::size_t round_up(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit * unit; }

// exec's string area without its "executable_path=" prefix, which kern.procargs2 cuts off.
std::string argument_area(const Process& process) {
  std::string area = process.path;
  area.push_back('\0');
  area.resize(round_up(area.size(), 8), '\0');
  for (const auto* list : {&process.arguments, &process.environment, &process.apple}) {
    for (const std::string& text : *list) area.append(text).push_back('\0');
  }
  area.resize(round_up(area.size(), 16), '\0');
  if (process.rewrite) process.rewrite(area);
  return area;
}

// The kernel's own idea of where the arguments end.
void drop_environment(std::string& area, std::size_t argc) {
  std::size_t end = 0;
  for (std::size_t index = 0; index < argc + 1 && end < area.size(); ++index) {
    const std::size_t nul = area.find('\0', end);
    end = nul == std::string::npos ? area.size() : nul + 1;
    while (index == 0 && end < area.size() && area[end] == '\0') ++end;
  }
  area.resize(end);
}

int procargs2(pid_t pid, char* out, std::size_t* size) {
  // A length below the size of argc wraps around in the kernel and is refused as too long.
  const std::size_t room = *size - sizeof(int);
  if (out != nullptr && (room == 0 || room > kArgMax)) return EINVAL;
  const Process* process = find_living(pid);
  if (process == nullptr || !process->has_stack) return EINVAL;
  std::string area = argument_area(*process);
  if (out == nullptr && !process->restricted) {
    *size = area.size() + sizeof(int);
    return 0;
  }
  if (process->uid != current.caller && current.caller != 0) return EINVAL;
  if (process->restricted) drop_environment(area, process->arguments.size());
  if (out == nullptr) {
    *size = area.size() + sizeof(int);
    return 0;
  }

  if (area.size() > room) {
    // The tail, and of that the bytes beyond the last whole page of it as zeros.
    const std::size_t window = std::min(round_up(room, kPage), area.size());
    for (std::size_t at = area.size() - window + room; at < area.size(); ++at) area[at] = '\0';
    area.erase(0, area.size() - room);
  }
  const int argc = static_cast<int>(process->arguments.size());
  std::memcpy(out, &argc, sizeof argc);
  std::memcpy(out + sizeof argc, area.data(), area.size());
  *size = area.size() + sizeof argc;
  return 0;
}

int record(pid_t pid, void* out, std::size_t* size) {
  const Process* process = find(pid);
  if (process == nullptr) {
    *size = 0;
    return 0;
  }
  kinfo_proc info;
  std::memset(&info, 0, sizeof info);
  info.kp_proc.p_starttime.tv_sec = process->start_seconds;
  info.kp_proc.p_starttime.tv_usec = process->start_microseconds;
  info.kp_proc.p_stat = process->state;
  info.kp_proc.p_pid = pid;
  info.kp_eproc.e_ucred.cr_uid = process->uid;
  info.kp_eproc.e_ppid = process->parent;
  if (*size < sizeof info) {
    *size = 0;
    return ENOMEM;
  }
  std::memcpy(out, &info, sizeof info);
  *size = sizeof info;
  return 0;
}

}  // namespace

int Kernel::count(Call call) const {
  return static_cast<int>(std::count(calls.begin(), calls.end(), call));
}

Kernel& kernel() { return current; }

void reset() { current = Kernel(); }

}  // namespace fake_kernel

using fake_kernel::Call;
using fake_kernel::Process;

extern "C" {

int proc_pidinfo(int pid, int flavor, uint64_t arg, void* buffer, int size) {
  // libproc makes 0 of the system call's -1.
  const auto refuse = [](int error) {
    errno = error;
    return 0;
  };
  const bool asks_id = flavor == fake_kernel::kUniqueIdentifierFlavor;
  if (!asks_id && flavor != PROC_PIDT_SHORTBSDINFO) {
    fake_kernel::unexpected("proc_pidinfo flavor", flavor);
  }
  const int wanted = asks_id ? 56 : 64;
  const int error = fake_kernel::enter(asks_id ? Call::kUniqueId : Call::kShortInfo);
  if (size < wanted) return refuse(ENOMEM);
  const Process* process = arg != 0 ? fake_kernel::find(pid) : fake_kernel::find_living(pid);
  if (process == nullptr) return refuse(ESRCH);
  // Policy is asked only about processes that exist.
  if (error != 0) return refuse(error);

  if (asks_id) {
    unsigned char info[56] = {};
    std::memcpy(info + 16, &process->unique_id, sizeof process->unique_id);
    std::memcpy(info + 32, &process->id_version, sizeof process->id_version);
    std::memcpy(buffer, info, sizeof info);
  } else {
    proc_bsdshortinfo info;
    std::memset(&info, 0, sizeof info);
    info.pbsi_pid = static_cast<uint32_t>(pid);
    info.pbsi_ppid = static_cast<uint32_t>(process->parent);
    info.pbsi_status = static_cast<uint32_t>(process->state);
    info.pbsi_flags = process->exiting ? PROC_FLAG_INEXIT : 0;
    info.pbsi_uid = process->uid;
    std::memcpy(buffer, &info, sizeof info);
  }
  return wanted;
}

int sysctl(int* name, unsigned int length, void* old, size_t* old_length, void* fresh, size_t) {
  if (fresh != nullptr) fake_kernel::unexpected("sysctl writes", name[1]);
  if (length < 2 || name[0] != CTL_KERN) fake_kernel::unexpected("sysctl", name[0]);
  int error = 0;
  if (name[1] == KERN_ARGMAX && length == 2) {
    error = fake_kernel::enter(Call::kArgmax);
    if (error == 0) {
      if (*old_length < sizeof(int)) return fake_kernel::fail(ENOMEM);
      std::memcpy(old, &fake_kernel::kernel().argument_space, sizeof(int));
      *old_length = sizeof(int);
    }
  } else if (name[1] == KERN_PROC && length == 4 && name[2] == KERN_PROC_PID) {
    error = fake_kernel::enter(Call::kRecord);
    if (error == 0) error = fake_kernel::record(name[3], old, old_length);
  } else if (name[1] == KERN_PROCARGS2 && length == 3) {
    error = fake_kernel::enter(Call::kProcargs);
    if (error == 0) {
      error = fake_kernel::procargs2(name[2], static_cast<char*>(old), old_length);
    }
  } else {
    fake_kernel::unexpected("sysctl kern", name[1]);
  }
  return error == 0 ? 0 : fake_kernel::fail(error);
}

int sysctlbyname(const char* name, void* old, size_t* old_length, void*, size_t) {
  if (std::strcmp(name, "kern.bootsessionuuid") != 0) return fake_kernel::fail(ENOENT);
  if (const int error = fake_kernel::enter(Call::kBootSession)) return fake_kernel::fail(error);
  const std::string& text = fake_kernel::kernel().boot_session;
  if (*old_length < text.size() + 1) return fake_kernel::fail(ENOMEM);
  std::memcpy(old, text.c_str(), text.size() + 1);
  *old_length = text.size() + 1;
  return 0;
}

int gethostuuid(uuid_t uuid, const struct timespec* timeout) {
  if (timeout->tv_sec == 0 && timeout->tv_nsec == 0) {
    fake_kernel::unexpected("gethostuuid may wait for ever", 0);
  }
  if (const int error = fake_kernel::enter(Call::kHostUuid)) return fake_kernel::fail(error);
  std::memcpy(uuid, fake_kernel::kernel().host_uuid.data(), 16);
  return 0;
}

// In place of the C library's, for this program only.
int kill(pid_t pid, int signal) noexcept {
  if (pid <= 0) fake_kernel::unexpected("kill", pid);
  const int error = fake_kernel::enter(Call::kKill);
  const Process* process = fake_kernel::find(pid);
  if (process == nullptr) return fake_kernel::fail(ESRCH);
  if (process->state == SZOMB) return 0;  // before any permission is checked
  if (error != 0) return fake_kernel::fail(error);
  const uid_t caller = fake_kernel::kernel().caller;
  if (caller != 0 && process->uid != caller) return fake_kernel::fail(EPERM);
  if (signal < 0 || signal > 31) return fake_kernel::fail(EINVAL);
  if (signal != 0) fake_kernel::kernel().signals.emplace_back(process->unique_id, signal);
  return 0;
}

// The living, then the zombies, the kernel's own 0 among them. Without a buffer: the room that is
// advised. What does not fit is left out.
int proc_listpids(uint32_t type, uint32_t, void* buffer, int size) {
  if (type != PROC_ALL_PIDS) fake_kernel::unexpected("proc_listpids", static_cast<int>(type));
  if (const int error = fake_kernel::enter(Call::kListPids)) {
    errno = error;
    return 0;
  }
  std::vector<int> pids;
  for (const auto& [pid, process] : fake_kernel::kernel().processes) {
    if (process.state != SZOMB) pids.push_back(pid);
  }
  pids.push_back(0);
  for (const auto& [pid, process] : fake_kernel::kernel().processes) {
    if (process.state == SZOMB) pids.push_back(pid);
  }
  constexpr std::size_t kAdvised = 20;
  if (buffer == nullptr) return static_cast<int>((pids.size() + kAdvised) * sizeof(int));
  const std::size_t given = std::min(pids.size(), static_cast<std::size_t>(size) / sizeof(int));
  std::memcpy(buffer, pids.data(), given * sizeof(int));
  return static_cast<int>(given * sizeof(int));
}

int stand_in_clock_gettime(clockid_t clock, struct timespec* time) {
  // Every other clock of XNU counts sleep, is set by hand, or is one process's own.
  if (clock != CLOCK_UPTIME_RAW) fake_kernel::unexpected("clock_gettime", clock);
  const int error = fake_kernel::enter(Call::kUptime);
  if (error != 0) return fake_kernel::fail(error);
  time->tv_sec = fake_kernel::kernel().uptime_seconds;
  time->tv_nsec = fake_kernel::kernel().uptime_nanoseconds;
  return 0;
}

int fstatfs(int fd, struct statfs* status) {
  const int error = fake_kernel::enter(Call::kFileSystem);
  if (error != 0) return fake_kernel::fail(error);
  const auto& known = fake_kernel::kernel().file_systems;
  const auto found = known.find(fd);
  if (found == known.end()) return fake_kernel::fail(EBADF);
  std::memset(status, 0xee, sizeof *status);
  status->f_type = found->second;
  return 0;
}

}  // extern "C"
