// file_lock.h by flock(2), between real processes.
#include "file_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "check.h"
#include "child.h"
#include "linux/file_descriptor.h"

namespace pidentity {
namespace {

using child::Child;

class TemporaryFile {
 public:
  TemporaryFile() : path_("/tmp/pidentity-lock-XXXXXX") {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) {
      std::perror("mkstemp");
      std::exit(2);
    }
    ::close(fd);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  FileDescriptor open(int flags = O_RDONLY) const {
    return FileDescriptor(::open(path_.c_str(), flags | O_CLOEXEC));
  }

 private:
  std::string path_;
};

void run() {
  check::test("a free lock is not held", [] {
    const TemporaryFile file;
    check::equal(lock_probe(file.open().get()), kLockAcquired);
    check::equal(lock_try_exclusive(file.open(O_RDWR).get()), kLockAcquired);
  });
  check::test("another process's lock is not free", [] {
    const TemporaryFile file;
    Child holder = Child::in_role("hold-lock", {file.path()});
    check::equal(holder.first_line(), std::string("0"));
    const FileDescriptor mine = file.open(O_RDWR);
    check::equal(lock_probe(mine.get()), kLockHeldElsewhere);
    check::equal(lock_try_exclusive(mine.get()), kLockHeldElsewhere);
    const Child second = Child::in_role("hold-lock", {file.path()});
    check::equal(second.first_line(), std::string("1"));
  });
  check::test("the lock of a killed process does not stay", [] {
    const TemporaryFile file;
    Child holder = Child::in_role("hold-lock", {file.path()});
    check::equal(lock_probe(file.open().get()), kLockHeldElsewhere);
    // Its descriptors are closed before its end can be waited for.
    holder.kill_without_reaping();
    check::equal(lock_probe(file.open().get()), kLockAcquired);
    holder.end();
    check::equal(lock_try_exclusive(file.open(O_RDWR).get()), kLockAcquired);
  });
  check::test("two probers do not take each other for holders", [] {
    const TemporaryFile file;
    // A prober that was stopped between its two calls.
    const FileDescriptor other = file.open();
    check::equal(::flock(other.get(), LOCK_SH | LOCK_NB), 0);
    check::equal(lock_probe(file.open().get()), kLockAcquired);
    check::equal(lock_try_exclusive(file.open(O_RDWR).get()), kLockHeldElsewhere);
  });
  check::test("a probe leaves no lock behind", [] {
    const TemporaryFile file;
    const FileDescriptor prober = file.open();
    check::equal(lock_probe(prober.get()), kLockAcquired);
    check::equal(lock_try_exclusive(file.open(O_RDWR).get()), kLockAcquired);
  });
  check::test("closing another descriptor does not drop the lock, as F_SETLK's would", [] {
    const TemporaryFile file;
    const FileDescriptor holder = file.open(O_RDWR);
    check::equal(lock_try_exclusive(holder.get()), kLockAcquired);
    file.open(O_RDWR).reset();
    check::equal(lock_probe(file.open().get()), kLockHeldElsewhere);
  });
  check::test("a lock does not outlive its descriptor", [] {
    const TemporaryFile file;
    FileDescriptor holder = file.open(O_RDWR);
    check::equal(lock_try_exclusive(holder.get()), kLockAcquired);
    holder.reset();
    check::equal(lock_probe(file.open().get()), kLockAcquired);
  });
  check::test("a kept file keeps its lock when the first descriptor is closed", [] {
    const TemporaryFile file;
    FileDescriptor opened = file.open(O_RDWR);
    check::equal(lock_try_exclusive(opened.get()), kLockAcquired);
    std::unique_ptr<KeptFile> kept = keep_file(opened.get());
    check::equal(kept != nullptr, true);
    check::equal(kept->descriptor() != opened.get(), true);
    // Programs that are started must not inherit it.
    check::equal(::fcntl(kept->descriptor(), F_GETFD), FD_CLOEXEC);
    opened.reset();
    check::equal(lock_probe(file.open().get()), kLockHeldElsewhere);
    kept.reset();
    check::equal(lock_probe(file.open().get()), kLockAcquired);
  });
  check::test("a lock that is dropped is free, and its descriptor can take it again", [] {
    const TemporaryFile file;
    const FileDescriptor mine = file.open();
    const FileDescriptor other = file.open();
    check::equal(lock_try_exclusive(mine.get()), kLockAcquired);
    check::equal(lock_drop(other.get()), 0);
    check::equal(lock_probe(other.get()), kLockHeldElsewhere);
    check::equal(lock_drop(mine.get()), 0);
    check::equal(lock_try_exclusive(other.get()), kLockAcquired);
    check::equal(lock_drop(-1), -EBADF);
  });
  check::test("ownership and lock of one file do not see each other", [] {
    const TemporaryFile file;
    FileDescriptor owner = file.open(O_RDWR);
    const FileDescriptor other = file.open(O_RDWR);
    const FileDescriptor reader = file.open();
    check::equal(ownership_try(owner.get()), kLockAcquired);
    check::equal(ownership_try(other.get()), kLockHeldElsewhere);
    check::equal(ownership_probe(reader.get()), kLockHeldElsewhere);
    check::equal(ownership_probe(owner.get()), kLockAcquired);
    check::equal(lock_try_exclusive(reader.get()), kLockAcquired);
    check::equal(lock_try_exclusive(owner.get()), kLockHeldElsewhere);
    check::equal(lock_drop(reader.get()), 0);
    check::equal(ownership_probe(reader.get()), kLockHeldElsewhere);
    owner.reset();
    check::equal(ownership_probe(reader.get()), kLockAcquired);
  });
  check::test("readers' locks and record locks are no ownership", [] {
    const TemporaryFile file;
    const FileDescriptor other = file.open(O_RDWR);
    struct flock range{};
    range.l_type = F_RDLCK;
    range.l_whence = SEEK_SET;
    check::equal(::fcntl(other.get(), F_OFD_SETLK, &range), 0);
    check::equal(ownership_probe(file.open().get()), kLockAcquired);
    // But no file is owned under them.
    check::equal(ownership_try(file.open(O_RDWR).get()), kLockHeldElsewhere);
    range.l_type = F_UNLCK;
    check::equal(::fcntl(other.get(), F_OFD_SETLK, &range), 0);
    range.l_type = F_WRLCK;
    check::equal(::fcntl(other.get(), F_SETLK, &range), 0);
    check::equal(ownership_probe(file.open().get()), kLockAcquired);
  });
  check::test("ownership is refused to what cannot be written or is not open", [] {
    const TemporaryFile file;
    check::equal(ownership_try(file.open().get()), -EBADF);
    check::equal(ownership_try(-1), -EBADF);
    check::equal(ownership_probe(-1), -EBADF);
  });
  check::test("a file without a name gets one by either way, and replaces none", [] {
    for (const LinkBy by : {LinkBy::kDescriptor, LinkBy::kProc}) {
      const TemporaryFile taken;
      const FileDescriptor unnamed(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
      const std::string path = taken.path() + ".late";
      check::equal(ownership_try(unnamed.get()), kLockAcquired);
      check::equal(link_open_file(unnamed.get(), taken.path().c_str(), by), -EEXIST);
      check::equal(link_open_file(unnamed.get(), path.c_str(), by), 0);
      check::equal(is_named(path.c_str(), unnamed.get()), true);
      const FileDescriptor reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      check::equal(ownership_probe(reader.get()), kLockHeldElsewhere);
      check::equal(::unlink(path.c_str()), 0);
      check::equal(link_open_file(-1, path.c_str(), by) < 0, true);
    }
  });
  check::test("a file's stamp is its id, its size and its time", [] {
    const TemporaryFile file;
    const FileDescriptor descriptor = file.open(O_RDWR);
    check::equal(::write(descriptor.get(), "four", 4), static_cast<ssize_t>(4));
    const timespec times[2] = {{.tv_sec = 1, .tv_nsec = 2}, {.tv_sec = 3, .tv_nsec = 4}};
    check::equal(::futimens(descriptor.get(), times), 0);
    for (const std::optional<FileStamp>& found :
         {file_stamp(descriptor.get()), file_stamp_at(file.path().c_str())}) {
      const FileStamp stamp = found.value_or(FileStamp{});
      check::equal(file_id(descriptor.get()) == stamp.id, true);
      check::equal(stamp.size, std::int64_t{4});
      check::equal(stamp.modified_s, std::int64_t{3});
      check::equal(stamp.modified_ns, std::int64_t{4});
    }
    check::equal(file_stamp(-1).has_value(), false);
    check::equal(file_stamp_at((file.path() + "/below").c_str()).has_value(), false);
  });
  check::test("what is not open is not kept", [] {
    check::equal(keep_file(-1) == nullptr, true);
    check::equal(keep_file(2147483647) == nullptr, true);
  });
  check::test("a refusal does not read as held", [] {
    const TemporaryFile file;
    check::equal(lock_probe(-1), -EBADF);
    check::equal(lock_try_exclusive(-1), -EBADF);
    // O_PATH descriptors can be closed and stat'ed, nothing else.
    check::equal(lock_probe(file.open(O_PATH).get()), -EBADF);
  });
  check::test("two descriptors of one file have one id", [] {
    const TemporaryFile file;
    const TemporaryFile other;
    const FileDescriptor descriptor = file.open();
    const std::optional<FileId> id = file_id(descriptor.get());
    check::equal(id.has_value(), true);
    check::equal(file_id(file.open(O_PATH).get()) == id, true);
    check::equal(file_id(other.open().get()) == id, false);
  });
  check::test("the id is made of stat's numbers, in that order", [] {
    const TemporaryFile file;
    const FileDescriptor descriptor = file.open();
    struct stat status;
    check::equal(::stat(file.path().c_str(), &status), 0);
    const FileId id = file_id(descriptor.get()).value_or(FileId{});
    check::equal(id.device, static_cast<std::int64_t>(status.st_dev));
    check::equal(id.inode, static_cast<std::int64_t>(status.st_ino));
  });
  check::test("ids differ by either number", [] {
    const FileId id = {.device = 1, .inode = 2};
    check::equal(id == FileId{.device = 1, .inode = 2}, true);
    check::equal(id == FileId{.device = 3, .inode = 2}, false);
    check::equal(id == FileId{.device = 1, .inode = 3}, false);
  });
  check::test("a descriptor that is not open has no id and no name", [] {
    const TemporaryFile file;
    FileDescriptor descriptor = file.open();
    const int closed = descriptor.get();
    descriptor.reset();
    for (const int fd : {-1, closed, 2147483647}) {
      check::equal(file_id(fd).has_value(), false);
      check::equal(is_named(file.path().c_str(), fd), false);
    }
    // Nothing at either end is no match.
    check::equal(is_named("/proc/self/nothing", -1), false);
  });
  check::test("a path names the file that it leads to, by every hard link", [] {
    const TemporaryFile file;
    const TemporaryFile other;
    const FileDescriptor descriptor = file.open();
    const std::string link = file.path() + ".link";
    check::equal(::link(file.path().c_str(), link.c_str()), 0);
    check::equal(is_named(file.path().c_str(), descriptor.get()), true);
    check::equal(is_named(link.c_str(), descriptor.get()), true);
    check::equal(is_named(other.path().c_str(), descriptor.get()), false);
    check::equal(::unlink(link.c_str()), 0);
    check::equal(is_named(link.c_str(), descriptor.get()), false);
  });
  check::test("a symbolic link to the file is not the file", [] {
    const TemporaryFile file;
    const FileDescriptor descriptor = file.open();
    const std::string link = file.path() + ".link";
    check::equal(::symlink(file.path().c_str(), link.c_str()), 0);
    check::equal(is_named(link.c_str(), descriptor.get()), false);
    // Opened without following, the link is what its path names; but a lock is a regular file.
    const FileDescriptor itself(::open(link.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    check::equal(is_named(link.c_str(), itself.get()), false);
    check::equal(::unlink(link.c_str()), 0);
  });
  check::test("a file that was replaced or unlinked is named no more", [] {
    const TemporaryFile file;
    const FileDescriptor old = file.open();
    const TemporaryFile replacement;
    const FileDescriptor fresh = replacement.open();
    check::equal(::rename(replacement.path().c_str(), file.path().c_str()), 0);
    check::equal(is_named(file.path().c_str(), old.get()), false);
    check::equal(is_named(file.path().c_str(), fresh.get()), true);
    check::equal(::unlink(file.path().c_str()), 0);
    check::equal(is_named(file.path().c_str(), fresh.get()), false);
    check::equal(file_id(fresh.get()).has_value(), true);
  });
  check::test("a file system is told by an open file of it, whatever became of its name", [] {
    // linux/magic.h PROC_SUPER_MAGIC.
    constexpr std::int64_t kProc = 0x9fa0;
    const FileDescriptor proc(::open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
    check::equal(file_system_type(proc.get()).value_or(-1), kProc);
    const TemporaryFile file;
    const FileDescriptor descriptor = file.open();
    struct statfs expected;
    check::equal(::statfs(file.path().c_str(), &expected), 0);
    const auto type = static_cast<std::int64_t>(expected.f_type);
    check::equal(file_system_type(descriptor.get()).value_or(-1), type);
    check::equal(::unlink(file.path().c_str()), 0);
    check::equal(file_system_type(descriptor.get()).value_or(-1), type);
  });
  check::test("a descriptor that is not open has no file system", [] {
    for (const int fd : {-1, 1'000'000}) check::equal(file_system_type(fd).has_value(), false);
  });
  check::test("a path that cannot be walked names nothing", [] {
    const TemporaryFile file;
    const FileDescriptor descriptor = file.open();
    check::equal(is_named("", descriptor.get()), false);
    check::equal(is_named((file.path() + "/below").c_str(), descriptor.get()), false);
    check::equal(is_named(std::string(5000, '/').c_str(), descriptor.get()), false);
  });
}

}  // namespace
}  // namespace pidentity

int main(int argc, char** argv) {
  child::play_role(argc, argv);
  pidentity::run();
  return check::report();
}
