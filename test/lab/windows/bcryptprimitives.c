// Wine 8 lacks this library of Windows, of which Rust programs (the bundler inside vitest) need one
// function: random bytes, documented as never failing. Newer versions of Wine have it.
#include <windows.h>

#define RtlGenRandom SystemFunction036
BOOLEAN NTAPI RtlGenRandom(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length) {
  while (length > 0) {
    const ULONG part = length > 0x10000000 ? 0x10000000 : (ULONG)length;
    if (!RtlGenRandom(buffer, part)) return FALSE;
    buffer += part;
    length -= part;
  }
  return TRUE;
}
