// file_io.h on real files.
#include "file_io.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "check.h"
#include "child.h"
#include "file_lock.h"

namespace pidentity {
namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() : path_("/tmp/pidentity-io-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) {
      std::perror("mkdtemp");
      std::exit(2);
    }
  }
  ~TemporaryFolder() {
    ::unlink(file().c_str());
    ::rmdir(path_.c_str());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file() const { return path_ + "/file"; }

 private:
  std::string path_;
};

constexpr int kNew = O_RDWR | O_CREAT | O_EXCL;

void interrupt(int) {}

// Interrupts this thread's system calls (no SA_RESTART) until it is destroyed.
class Interruptions {
 public:
  Interruptions() : target_(::pthread_self()) {
    struct sigaction action{};
    action.sa_handler = interrupt;
    ::sigaction(SIGUSR1, &action, &before_);
    ::pthread_create(&thread_, nullptr, run, this);
  }
  ~Interruptions() {
    ended_ = true;
    ::pthread_join(thread_, nullptr);
    ::sigaction(SIGUSR1, &before_, nullptr);
  }
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;

 private:
  static void* run(void* self) {
    auto* interruptions = static_cast<Interruptions*>(self);
    while (!interruptions->ended_) {
      ::pthread_kill(interruptions->target_, SIGUSR1);
      ::usleep(500);
    }
    return nullptr;
  }

  pthread_t target_;
  pthread_t thread_{};
  std::atomic<bool> ended_ = false;
  struct sigaction before_{};
};

// Opens the other end of the FIFO after a while, and does what it is told there.
void* open_late(void* path) {
  ::usleep(50'000);
  const int fd = ::open(static_cast<const char*>(path), O_RDONLY);
  ::usleep(50'000);
  std::vector<char> bytes(64 * 1024);
  while (::read(fd, bytes.data(), bytes.size()) > 0) {
  }
  ::close(fd);
  return nullptr;
}

void run() {
  check::test("a file is made once, with its mode, and is not inherited", [] {
    const TemporaryFolder folder;
    const mode_t before = ::umask(027);
    const int fd = open_file(folder.file().c_str(), kNew, 0666);
    ::umask(before);
    check::equal(fd >= 0, true);
    check::equal(::fcntl(fd, F_GETFD), FD_CLOEXEC);
    struct stat status;
    check::equal(::fstat(fd, &status), 0);
    check::equal(static_cast<int>(status.st_mode & 0777), 0640);
    check::equal(open_file(folder.file().c_str(), kNew, 0666), -EEXIST);
    check::equal(close_file(fd), 0);
  });
  check::test("each refusal is the negated errno", [] {
    const TemporaryFolder folder;
    const std::string link = folder.file();
    check::equal(::symlink("nowhere", link.c_str()), 0);
    check::equal(open_file(link.c_str(), O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    check::equal(open_file((link + "x").c_str(), O_RDONLY, 0), -ENOENT);
    check::equal(open_file(folder.path().c_str(), O_RDWR, 0), -EISDIR);
    check::equal(open_file((folder.path() + "/" + std::string(300, 'x')).c_str(), O_RDONLY, 0),
                 -ENAMETOOLONG);
    check::equal(unlink_file(folder.path().c_str()), -EISDIR);
    check::equal(unlink_file((link + "x").c_str()), -ENOENT);
    check::equal(unlink_file(link.c_str()), 0);
    std::uint8_t byte = 0;
    check::equal(read_file_at(-1, {&byte, 1}, 0), -EBADF);
    check::equal(write_file(-1, "x"), -EBADF);
    check::equal(close_file(-1), -EBADF);
    const int directory = open_file(folder.path().c_str(), O_RDONLY, 0);
    check::equal(read_file_at(directory, {&byte, 1}, 0), -EISDIR);
    check::equal(write_file(directory, "x"), -EBADF);
    check::equal(close_file(directory), 0);
    const int full = open_file("/dev/full", O_WRONLY, 0);
    check::equal(write_file(full, "x"), -ENOSPC);
    check::equal(close_file(full), 0);
  });
  check::test("no descriptor left is EMFILE", [] {
    struct rlimit limit;
    check::equal(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = limit;
    none.rlim_cur = 0;
    check::equal(::setrlimit(RLIMIT_NOFILE, &none), 0);
    check::equal(open_file("/dev/null", O_RDONLY, 0), -EMFILE);
    check::equal(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  });
  check::test("reading moves nothing, and writing goes on where it stood", [] {
    const TemporaryFolder folder;
    const int fd = open_file(folder.file().c_str(), kNew, 0600);
    check::equal(write_file(fd, "0123"), 0);
    std::vector<std::uint8_t> bytes(8, '.');
    check::equal(read_file_at(fd, std::span(bytes).subspan(2, 4), 2), 2);
    check::equal(write_file(fd, "45"), 0);
    check::equal(write_file(fd, ""), 0);
    check::equal(read_file_at(fd, std::span(bytes).subspan(4), 4), 2);
    check::equal(std::string(bytes.begin(), bytes.end()), std::string("..2345.."));
    check::equal(read_file_at(fd, bytes, 6), 0);
    check::equal(close_file(fd), 0);
  });
  check::test("an open, a write and their short parts survive signals", [] {
    const TemporaryFolder folder;
    std::string path = folder.file();
    check::equal(::mkfifo(path.c_str(), 0600), 0);
    pthread_t reader;
    check::equal(::pthread_create(&reader, nullptr, open_late, path.data()), 0);
    {
      const Interruptions interruptions;
      // Waits for the reader; then for room, more than once.
      const int fd = open_file(path.c_str(), O_WRONLY, 0);
      check::equal(fd >= 0, true);
      check::equal(write_file(fd, std::string(1'000'000, 'x')), 0);
      check::equal(close_file(fd), 0);
    }
    ::pthread_join(reader, nullptr);
  });
  check::test("a file that is owned ends with its owner", [] {
    const TemporaryFolder folder;
    const int fd = open_file(folder.file().c_str(), kNew, 0600);
    std::unique_ptr<KeptFile> file = own_file(fd);
    check::equal(file->descriptor(), fd);
    check::equal(lock_try_exclusive(fd), kLockAcquired);
    const int other = open_file(folder.file().c_str(), O_RDONLY, 0);
    check::equal(lock_probe(other), kLockHeldElsewhere);
    file.reset();
    check::equal(lock_probe(other), kLockAcquired);
    check::equal(close_file(fd), -EBADF);
    check::equal(close_file(other), 0);
  });
}

}  // namespace
}  // namespace pidentity

int main(int argc, char** argv) {
  child::play_role(argc, argv);
  pidentity::run();
  return check::report();
}
