// What this kernel answers, asked without the package: one line of JSON.
//
// facts <directory>
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static int link_unnamed(const char* directory, const char* name, int by_proc) {
  char target[4096];
  char source[64];
  snprintf(target, sizeof target, "%s/%s", directory, name);
  const int fd = open(directory, O_TMPFILE | O_RDWR, 0644);
  if (fd < 0) return errno;
  snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
  const int result = by_proc ? linkat(AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW)
                             : linkat(fd, "", AT_FDCWD, target, AT_EMPTY_PATH);
  const int error = result == 0 ? 0 : errno;
  if (result == 0) unlink(target);
  close(fd);
  return error;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
  const int parent = (int)syscall(SYS_pidfd_open, getppid(), 0);
  struct stat own_status;
  struct stat parent_status;
  struct statfs file_system;
  if (own < 0 || parent < 0 || fstat(own, &own_status) != 0 || fstat(parent, &parent_status) != 0 ||
      fstatfs(own, &file_system) != 0) {
    perror("pidfd");
    return 1;
  }
  printf(
      "{\"pidfdType\":%lu,\"pidfdsShareAnInode\":%s,\"linkByDescriptor\":%d,\"linkByProc\":%d}\n",
      (unsigned long)file_system.f_type,
      own_status.st_ino == parent_status.st_ino ? "true" : "false",
      link_unnamed(argv[1], "by-descriptor", 0), link_unnamed(argv[1], "by-proc", 1));
  return 0;
}
