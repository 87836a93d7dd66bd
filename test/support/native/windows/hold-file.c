// Opens a file for reading as other programs do: sharing what the second argument says ("read", or
// "read-delete"), and, with a third argument, locking that many bytes from its beginning, which
// nobody else can read then. Prints a line once it has it. Ends with its standard input, after
// which the file is free.
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

int wmain(int argc, wchar_t** argv) {
  if (argc < 3) return 2;
  const DWORD sharing = wcscmp(argv[2], L"read-delete") == 0
                            ? FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
                            : FILE_SHARE_READ | FILE_SHARE_WRITE;
  const HANDLE file =
      CreateFileW(argv[1], GENERIC_READ, sharing, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) return 3;
  if (argc > 3) {
    OVERLAPPED from_the_start = {0};
    const DWORD bytes = (DWORD)wcstoul(argv[3], NULL, 10);
    const DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    if (!LockFileEx(file, flags, 0, bytes, 0, &from_the_start)) return 4;
  }
  puts("holding");
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}
