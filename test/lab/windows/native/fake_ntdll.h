// Stands in for ntdll's two query functions: answers one information class from a script and passes
// every other question on to the real system.
#ifndef PIDENTITY_TEST_NATIVE_WINDOWS_FAKE_NTDLL_H_
#define PIDENTITY_TEST_NATIVE_WINDOWS_FAKE_NTDLL_H_

#include <windows.h>

#include <functional>
#include <map>

#include "windows/ntdll.h"

namespace fake {

struct Question {
  void* buffer;
  ULONG size;
  ULONG* returned;
};
using Answer = std::function<pidentity::ntdll::Status(const Question&)>;

// Plain functions cannot carry state, so the script of the running test lives here.
inline std::map<ULONG, Answer> process_answers;
inline std::map<ULONG, Answer> system_answers;
inline std::map<ULONG, int> asked;

inline const pidentity::ntdll::Ntdll& real() {
  static const auto ntdll = pidentity::ntdll::Ntdll::resolve();
  return ntdll;
}

inline pidentity::ntdll::Status NTAPI query_process(HANDLE process, ULONG info_class, void* buffer,
                                                    ULONG size, ULONG* returned) {
  ++asked[info_class];
  const auto found = process_answers.find(info_class);
  if (found != process_answers.end()) return found->second({buffer, size, returned});
  return real().query_process(process, static_cast<pidentity::ntdll::ProcessInfo>(info_class),
                              buffer, size, returned);
}

inline pidentity::ntdll::Status NTAPI query_system(ULONG info_class, void* buffer, ULONG size,
                                                   ULONG* returned) {
  const auto found = system_answers.find(info_class);
  if (found != system_answers.end()) return found->second({buffer, size, returned});
  return real().query_system(static_cast<pidentity::ntdll::SystemInfo>(info_class), buffer, size,
                             returned);
}

// A seam with an empty script.
inline pidentity::ntdll::Ntdll fresh() {
  process_answers.clear();
  system_answers.clear();
  asked.clear();
  return {query_process, query_system};
}

inline void on(pidentity::ntdll::ProcessInfo info, Answer answer) {
  process_answers[static_cast<ULONG>(info)] = std::move(answer);
}
inline void on(pidentity::ntdll::SystemInfo info, Answer answer) {
  system_answers[static_cast<ULONG>(info)] = std::move(answer);
}
inline int times_asked(pidentity::ntdll::ProcessInfo info) {
  return asked[static_cast<ULONG>(info)];
}

}  // namespace fake

#endif  // PIDENTITY_TEST_NATIVE_WINDOWS_FAKE_NTDLL_H_
