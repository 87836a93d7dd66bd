// System calls as bare instructions, for those that make up an answer about one process.
//
// The C library's functions are points of cancellation: in a program with threads, as Node is, each
// saves and restores the thread's state with two locked instructions, and each lies on a page of
// its own, which the processor looks up anew after every system call where the kernel keeps page
// tables of its own (Meltdown).
#ifndef PIDENTITY_NATIVE_LINUX_SYSTEM_CALL_H_
#define PIDENTITY_NATIVE_LINUX_SYSTEM_CALL_H_

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace pidentity {

// What the kernel returns: a result, or a negated errno. errno itself stays as it is.
inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
#if defined(__x86_64__) && defined(__LP64__)
  long result;
  register long fourth __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__) && defined(__LP64__)
  register long call __asm__("x8") = number;
  register long first __asm__("x0") = a;
  register long second __asm__("x1") = b;
  register long third __asm__("x2") = c;
  register long fourth __asm__("x3") = d;
  __asm__ volatile("svc 0"
                   : "+r"(first)
                   : "r"(call), "r"(second), "r"(third), "r"(fourth)
                   : "memory");
  return first;
#else
  const int before = errno;
  long result = ::syscall(number, a, b, c, d);
  if (result < 0) result = -errno;
  errno = before;
  return result;
#endif
}

// The address of what a system call reads or writes.
inline long address_of(const void* memory) { return reinterpret_cast<long>(memory); }

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_SYSTEM_CALL_H_
