#include "linux/host_facts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <string_view>

#include "linux/proc_fs.h"

namespace pidentity {
namespace {

// include/linux/proc_ns.h PROC_PID_INIT_INO: fixed for the initial pid namespace since Linux 3.8.
constexpr std::uint64_t kInitialPidNamespace = 0xEFFFFFFC;

bool skip_blanks(std::string_view& text) {
  const std::size_t count = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(count);
  return count > 0;
}

template <typename T>
bool take_integer(std::string_view& text, T& value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return true;
}

// The rest of the complete line that starts with `key`; data() is null when there is none.
std::string_view line_after(std::string_view text, std::string_view key) {
  for (std::size_t end; (end = text.find('\n')) != std::string_view::npos;) {
    if (text.substr(0, key.size()) == key) return text.substr(key.size(), end - key.size());
    text.remove_prefix(end + 1);
  }
  return {};
}

// A procfs of another pid namespace either has no entry for us (/proc/self is then dangling) or
// knows us by another number, or, by chance, by the same one: therefore also ask for "NSpid:", one
// number for each namespace from the mount's down to ours (Linux 4.1; absent elsewhere).
bool proc_is_ours() {
  char text[4096];
  const ssize_t length = ::readlink("/proc/self", text, sizeof text);
  if (length <= 0) return false;
  std::string_view link(text, static_cast<std::size_t>(length));
  pid_t self = 0;
  if (!take_integer(link, self) || !link.empty() || self != ::getpid()) return false;

  const long size = read_start_of_file("/proc/self/status", text, sizeof text);
  if (size < 0) return false;
  std::string_view numbers = line_after({text, static_cast<std::size_t>(size)}, "NSpid:");
  if (numbers.data() == nullptr) return true;
  skip_blanks(numbers);
  return take_integer(numbers, self) && !skip_blanks(numbers) && self == ::getpid();
}

std::uint64_t inode_of(const char* path) {
  struct stat status;
  return ::stat(path, &status) == 0 ? status.st_ino : 0;
}

bool take_offset(std::string_view text, std::string_view clock, double& seconds, double& nanos) {
  std::string_view line = line_after(text, clock);
  std::int64_t whole = 0;
  std::int64_t fraction = 0;
  if (!skip_blanks(line) || !take_integer(line, whole) || !skip_blanks(line) ||
      !take_integer(line, fraction)) {
    return false;
  }
  seconds = static_cast<double>(whole);
  nanos = static_cast<double>(fraction);
  return true;
}

void read_time_offsets(double ticks_per_second, Namespaces& facts) {
  char text[512];
  const long size = read_start_of_file("/proc/self/timens_offsets", text, sizeof text);
  // No such file: a kernel without time namespaces.
  if (size == -ENOENT && inode_of("/proc/self/stat") != 0) facts.time_offsets_known = true;
  if (size < 0) return;
  // The file shows the offsets of the namespace for our *children*. It is not ours between
  // unshare(CLONE_NEWTIME) and the next execve().
  if (inode_of("/proc/self/ns/time") != inode_of("/proc/self/ns/time_for_children")) return;

  const std::string_view offsets(text, static_cast<std::size_t>(size));
  double seconds = 0;
  double nanos = 0;
  if (!take_offset(offsets, "boottime", seconds, nanos)) return;
  // Seconds and nanoseconds apart: the quotient of a whole number of ticks is then exact.
  facts.boot_time_offset_ticks = seconds * ticks_per_second + nanos / (1e9 / ticks_per_second);
  if (!take_offset(offsets, "monotonic", seconds, nanos)) return;
  facts.monotonic_offset_ms = seconds * 1e3 + nanos / 1e6;
  facts.time_offsets_known = true;
}

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

Namespaces read_namespaces(double ticks_per_second) {
  Namespaces facts;
  facts.proc_is_ours = proc_is_ours();
  // /proc/self, if it resolves at all, is this process on every procfs: this needs no proc_is_ours.
  facts.pid_namespace = inode_of("/proc/self/ns/pid");
  facts.initial_pid_namespace = facts.pid_namespace == kInitialPidNamespace;
  read_time_offsets(ticks_per_second, facts);
  return facts;
}

std::string read_machine_id() {
  for (const char* const path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    char text[64];
    const long size = read_start_of_file(path, text, sizeof text);
    if (size < 32) continue;
    const std::string_view id(text, 32);
    const bool ends = size == 32 || text[32] == '\n';
    if (ends && std::all_of(id.begin(), id.end(), is_hex_digit)) return std::string(id);
  }
  return {};
}

std::string read_boot_id() {
  char text[64];
  const long size = read_start_of_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
  if (size < 0) return {};
  const std::string_view id(text, static_cast<std::size_t>(size));
  return std::string(id.substr(0, std::min(id.find('\n'), id.size())));
}

}  // namespace pidentity
