#include "file_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "linux/proc_fs.h"
#include "parse/inotify_fdinfo.h"

namespace pidentity {
namespace {

// What libuv watches every file for (src/unix/linux.c uv_fs_event_start), which tells its instance
// from others in this process. Any further event of such a watch it reports as "rename".
constexpr std::uint32_t kRuntimeEvents = IN_ATTRIB | IN_CREATE | IN_MODIFY | IN_DELETE |
                                         IN_DELETE_SELF | IN_MOVE_SELF | IN_MOVED_FROM |
                                         IN_MOVED_TO;

// How far its instance is looked for, at about a microsecond each. A new descriptor gets the lowest
// free number: behind many closed ones in a row there are hardly any more.
constexpr int kMostDescriptors = 1024;
constexpr int kMostClosedInARow = 64;

// 0, or what the kernel says of a descriptor that is no inotify instance: EBADF when it is closed,
// else EINVAL. An instance is asked for a path that names nothing, which is ENOENT and adds nothing
// (fs/notify/inotify/inotify_user.c).
int no_inotify(int fd) {
  if (::inotify_add_watch(fd, "", IN_CLOSE_WRITE) < 0 && errno == ENOENT) return 0;
  return errno;
}

// /proc/self/<folder>/<fd>
class OwnDescriptorPath {
 public:
  OwnDescriptorPath(std::string_view folder, int fd) {
    constexpr std::string_view kRoot = "/proc/self/";
    char* at = path_;
    for (const std::string_view part : {kRoot, folder, std::string_view("/")}) {
      std::memcpy(at, part.data(), part.size());
      at += part.size();
    }
    *std::to_chars(at, path_ + sizeof path_ - 1, fd).ptr = '\0';
  }

  const char* c_str() const { return path_; }

 private:
  char path_[32];
};

// The start of an instance's list of watches. The newest stands first, in a line of about a hundred
// bytes: a host may have thousands.
class NewestWatches {
 public:
  explicit NewestWatches(int instance)
      : size_(read_start_of_file(OwnDescriptorPath("fdinfo", instance).c_str(), text_,
                                 sizeof text_)) {}

  bool have(std::uint64_t inode, std::uint32_t events) const {
    return size_ > 0 && has_inotify_watch({text_, static_cast<std::size_t>(size_)}, inode, events);
  }

 private:
  char text_[2048];
  long size_;
};

}  // namespace

bool tell_closes(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return false;
  const OwnDescriptorPath file("fd", fd);
  int closed_in_a_row = 0;
  for (int instance = 0; instance < kMostDescriptors; ++instance) {
    const int error = no_inotify(instance);
    closed_in_a_row = error == EBADF ? closed_in_a_row + 1 : 0;
    if (closed_in_a_row > kMostClosedInARow) return false;
    if (error != 0) continue;
    if (!NewestWatches(instance).have(status.st_ino, kRuntimeEvents)) continue;
    const int watch = ::inotify_add_watch(instance, file.c_str(), IN_CLOSE_WRITE | IN_MASK_ADD);
    if (watch < 0) continue;
    const NewestWatches now(instance);
    if (now.have(status.st_ino, kRuntimeEvents | IN_CLOSE_WRITE)) return true;
    // That was an inode of this number on another file system: what is new is taken back.
    if (now.have(status.st_ino, IN_CLOSE_WRITE)) ::inotify_rm_watch(instance, watch);
  }
  return false;
}

}  // namespace pidentity
