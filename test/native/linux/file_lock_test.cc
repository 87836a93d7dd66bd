// file_lock.h by flock(2), between real processes.
#include "file_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
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
  check::test("a released lock is free", [] {
    const TemporaryFile file;
    const FileDescriptor holder = file.open(O_RDWR);
    check::equal(lock_try_exclusive(holder.get()), kLockAcquired);
    check::equal(lock_release(holder.get()), 0);
    check::equal(lock_try_exclusive(file.open(O_RDWR).get()), kLockAcquired);
    // Nothing to release is no error.
    check::equal(lock_release(holder.get()), 0);
  });
  check::test("a lock does not outlive its descriptor", [] {
    const TemporaryFile file;
    FileDescriptor holder = file.open(O_RDWR);
    check::equal(lock_try_exclusive(holder.get()), kLockAcquired);
    holder.reset();
    check::equal(lock_probe(file.open().get()), kLockAcquired);
  });
  check::test("a refusal does not read as held", [] {
    const TemporaryFile file;
    check::equal(lock_probe(-1), -EBADF);
    check::equal(lock_try_exclusive(-1), -EBADF);
    check::equal(lock_release(-1), -EBADF);
    // O_PATH descriptors can be closed and stat'ed, nothing else.
    check::equal(lock_probe(file.open(O_PATH).get()), -EBADF);
  });
}

}  // namespace
}  // namespace pidentity

int main(int argc, char** argv) {
  child::play_role(argc, argv);
  pidentity::run();
  return check::report();
}
