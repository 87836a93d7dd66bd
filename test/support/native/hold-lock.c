// Locks the first byte of a file, or the file, and keeps it until its input ends:
//   hold-lock ofd-write|ofd-read|record|flock <file>
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int lock(int fd, const char* kind) {
  struct flock range;
  memset(&range, 0, sizeof range);
  range.l_type = strcmp(kind, "ofd-read") == 0 ? F_RDLCK : F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_len = 1;
  if (strcmp(kind, "flock") == 0) return flock(fd, LOCK_EX | LOCK_NB);
  return fcntl(fd, strcmp(kind, "record") == 0 ? F_SETLK : F_OFD_SETLK, &range);
}

int main(int argc, char** argv) {
  char byte;
  if (argc != 3) return 2;
  const int fd = open(argv[2], O_RDWR | O_CLOEXEC);
  if (fd < 0 || lock(fd, argv[1]) != 0) {
    perror(argv[2]);
    return 1;
  }
  puts("holding");
  fflush(stdout);
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}
