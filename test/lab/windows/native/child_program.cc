#include "child_program.h"

#include <shellapi.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "windows/ntdll.h"

namespace {

constexpr DWORD kDeadlineMs = 30'000;

std::wstring own_path() {
  std::wstring path(32'768, L'\0');
  path.resize(GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size())));
  return path;
}

// This process's own RTL_USER_PROCESS_PARAMETERS.CommandLine, as others read it.
struct OwnParameters {
  std::uint64_t* in_peb;
  pidentity::ntdll::CountedString* command_line;
};

OwnParameters own_parameters() {
  pidentity::ntdll::BasicInformation basic{};
  pidentity::ntdll::Ntdll::resolve().query_process(
      GetCurrentProcess(), pidentity::ntdll::ProcessInfo::kBasic, &basic, sizeof basic, nullptr);
  auto* in_peb = reinterpret_cast<std::uint64_t*>(basic.peb + 0x20);
  auto* command_line = reinterpret_cast<pidentity::ntdll::CountedString*>(*in_peb + 0x70);
  return {in_peb, command_line};
}

void tamper(const std::wstring& how) {
  const OwnParameters own = own_parameters();
  static wchar_t text[] = L"changed \"by its owner\"\0\0\0";
  auto* string = own.command_line;
  if (how == L"rewritten") {
    string->buffer = reinterpret_cast<std::uintptr_t>(text);
    string->length = static_cast<USHORT>(std::wcslen(text) * sizeof(wchar_t));
  } else if (how == L"padded") {
    string->buffer = reinterpret_cast<std::uintptr_t>(text);
    string->length = static_cast<USHORT>(sizeof text);
  } else if (how == L"odd") {
    string->buffer = reinterpret_cast<std::uintptr_t>(text);
    string->length = 7 * sizeof(wchar_t) + 1;
  } else if (how == L"too-long") {
    std::byte* const page = page_before_nothing();
    if (page == nullptr) std::abort();
    string->buffer = reinterpret_cast<std::uintptr_t>(page + 0x1000 - 8);
    string->length = 0xFFFF;
  } else if (how == L"nowhere") {
    string->buffer = 0xFFFF'8000'0000'0000;
    string->length = 100;
  } else if (how == L"null") {
    string->buffer = 0;
    string->length = 100;
  } else if (how == L"empty") {
    string->length = 0;
  } else if (how == L"no-parameters") {
    *own.in_peb = 0;
  } else if (how == L"wild-parameters") {
    *own.in_peb = 0x10;
  } else {
    std::abort();
  }
}

}  // namespace

Child::Child(const Options& options) {
  SECURITY_ATTRIBUTES inheritable{sizeof inheritable, nullptr, TRUE};
  HANDLE child_input = nullptr;
  HANDLE ready = nullptr;
  HANDLE child_output = nullptr;
  CreatePipe(&child_input, &input_, &inheritable, 0);
  CreatePipe(&ready, &child_output, &inheritable, 0);
  SetHandleInformation(input_, HANDLE_FLAG_INHERIT, 0);
  SetHandleInformation(ready, HANDLE_FLAG_INHERIT, 0);

  command_line_ = L"\"" + own_path() + L"\" " + options.arguments;
  std::wstring writable = command_line_;
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = child_input;
  startup.hStdOutput = child_output;
  startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  PROCESS_INFORMATION created{};
  if (CreateProcessW(nullptr, writable.data(), options.security, nullptr, TRUE,
                     options.creation_flags, nullptr, nullptr, &startup, &created)) {
    process_ = created.hProcess;
    thread_ = created.hThread;
    pid_ = created.dwProcessId;
  }
  CloseHandle(child_input);
  CloseHandle(child_output);
  // A child that dies early closes the pipe, which ends this read as well.
  if (started() && options.wait_until_ready) {
    char byte = 0;
    DWORD read = 0;
    ReadFile(ready, &byte, 1, &read, nullptr);
  }
  CloseHandle(ready);
}

Child::~Child() {
  if (started() && WaitForSingleObject(process_, 0) != WAIT_OBJECT_0) TerminateProcess(process_, 1);
  forget();
  if (input_ != nullptr) CloseHandle(input_);
}

DWORD Child::finish() {
  if (input_ != nullptr) CloseHandle(input_);
  input_ = nullptr;
  DWORD code = 0;
  if (WaitForSingleObject(process_, kDeadlineMs) == WAIT_OBJECT_0) {
    GetExitCodeProcess(process_, &code);
  }
  return code;
}

void Child::forget() {
  if (thread_ != nullptr) CloseHandle(thread_);
  if (process_ != nullptr) CloseHandle(process_);
  thread_ = nullptr;
  process_ = nullptr;
}

int run_as_child(int argc, wchar_t** argv) {
  if (argc < 3 || std::wstring(argv[1]) != L"--child") return -1;
  const std::wstring mode = argv[2];
  // Before anything else: looking them up goes through what "tamper" destroys.
  const HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
  const HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
  int code = 0;
  if (mode == L"exit-code" && argc > 3) {
    code = static_cast<int>(std::wcstol(argv[3], nullptr, 10));
  } else if (mode == L"tamper" && argc > 3) {
    tamper(argv[3]);
  }
  DWORD count = 0;
  WriteFile(output, "!", 1, &count, nullptr);
  char byte = 0;
  ReadFile(input, &byte, 1, &count, nullptr);
  // Not the orderly way out either, for the same reason.
  TerminateProcess(GetCurrentProcess(), static_cast<UINT>(code));
  return code;
}

std::byte* page_before_nothing() {
  // Between what Wine reserves for itself and the pages shared with the kernel.
  for (std::uintptr_t at = 0x6900'0000; at < 0x7D00'0000; at += 0x10'0000) {
    auto* page = static_cast<std::byte*>(VirtualAlloc(reinterpret_cast<void*>(at), 0x1000,
                                                      MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    if (page == nullptr) continue;
    char byte = 0;
    SIZE_T read = 0;
    if (!ReadProcessMemory(GetCurrentProcess(), page + 0x1000, &byte, 1, &read)) return page;
    VirtualFree(page, 0, MEM_RELEASE);
  }
  return nullptr;
}

ProgramArguments::ProgramArguments() : values(CommandLineToArgvW(GetCommandLineW(), &count)) {}
ProgramArguments::~ProgramArguments() { LocalFree(values); }
