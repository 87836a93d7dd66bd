// Keeps a handle to the process whose pid is the argument, so that Windows goes on knowing it after
// its end; prints a line once it has it. Ends with its standard input.
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

int wmain(int argc, wchar_t** argv) {
  if (argc != 2) return 2;
  const HANDLE process = OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE,
                                     (DWORD)wcstoul(argv[1], NULL, 10));
  if (process == NULL) return 3;
  puts("holding");
  fflush(stdout);
  while (getchar() != EOF) {
  }
  // What GetExitCodeProcess says by now; 259 is also its word for "still running".
  DWORD code = 0;
  if (!GetExitCodeProcess(process, &code)) return 4;
  printf("%lu\n", code);
  return 0;
}
