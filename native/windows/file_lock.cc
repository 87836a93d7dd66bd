#include "file_lock.h"

#include <windows.h>

#include <cstdint>
#include <new>

// LockFileEx is mandatory for the locked range: other processes could not read the payload if the
// lock covered it. So one byte at 2^62 stands for the whole file; a range beyond the end is allowed
// and no payload reaches there. Unlike flock, a lock belongs to the *handle*: a second exclusive
// try through the same handle is refused like one through another.

namespace pidentity {
namespace {

constexpr DWORD kOffsetHigh = 0x4000'0000;
constexpr DWORD kLength = 1;

// What Node names on Windows (util.getSystemErrorName) are libuv's codes, which are not the CRT's
// errno: part of libuv's stable interface (uv/errno.h).
constexpr LockResult kUnknownError = -4094;
constexpr LockResult kBadDescriptor = -4083;
constexpr LockResult kBusy = -4082;
constexpr LockResult kInvalidArgument = -4071;
constexpr LockResult kInputOutput = -4070;
constexpr LockResult kNoMemory = -4057;
constexpr LockResult kNotImplemented = -4054;
constexpr LockResult kNotSupported = -4049;
constexpr LockResult kNotPermitted = -4048;

LockResult refusal(DWORD error) noexcept {
  switch (error) {
    case ERROR_INVALID_HANDLE:
      return kBadDescriptor;
    case ERROR_ACCESS_DENIED:
      return kNotPermitted;
    case ERROR_INVALID_PARAMETER:
      return kInvalidArgument;
    case ERROR_INVALID_FUNCTION:
    case ERROR_NOT_SUPPORTED:
    case ERROR_CALL_NOT_IMPLEMENTED:
      return kNotSupported;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_NOT_ENOUGH_QUOTA:
      return kNoMemory;
    case ERROR_SHARING_BUFFER_EXCEEDED:
    case ERROR_BUSY:
      return kBusy;
    case ERROR_GEN_FAILURE:
    case ERROR_IO_DEVICE:
      return kInputOutput;
    default:
      return kUnknownError;
  }
}

OVERLAPPED lock_byte() noexcept {
  OVERLAPPED where{};
  where.OffsetHigh = kOffsetHigh;
  return where;
}

// A descriptor of node:fs is an entry in the table of the C runtime inside the host program. Ours,
// linked statically, has a table of its own, so the host has to translate, through a function that
// Node exports for this. It is looked up rather than linked: not every runtime that loads Node-API
// addons has it, and an import that is missing would keep the whole addon from loading.
using GetOsHandle = HANDLE (*)(int fd);

GetOsHandle find_translation() noexcept {
  // The program itself, or the library that a shared build of Node keeps its runtime in.
  constexpr const wchar_t* kHosts[] = {nullptr, L"libnode.dll"};
  for (const wchar_t* name : kHosts) {
    const HMODULE module = GetModuleHandleW(name);
    if (module == nullptr) continue;
    const FARPROC found = GetProcAddress(module, "uv_get_osfhandle");
    if (found != nullptr) {
      return reinterpret_cast<GetOsHandle>(reinterpret_cast<void*>(found));
    }
  }
  return nullptr;
}

struct File {
  HANDLE handle = INVALID_HANDLE_VALUE;
  LockResult error = kLockAcquired;  // negative: no handle, and why
};

File file_of(int fd) noexcept {
  if (fd < 0) return {.error = kBadDescriptor};
  const GetOsHandle translate = find_translation();
  if (translate == nullptr) return {.error = kNotImplemented};
  const HANDLE handle = translate(fd);
  // -1: no such descriptor. -2: a standard stream without a file (documented for _get_osfhandle).
  const auto value = reinterpret_cast<std::intptr_t>(handle);
  if (value == -1 || value == -2 || value == 0) return {.error = kBadDescriptor};
  return {.handle = handle};
}

LockResult try_lock(const File& file, DWORD flags) noexcept {
  if (file.error != kLockAcquired) return file.error;
  OVERLAPPED where = lock_byte();
  if (LockFileEx(file.handle, flags | LOCKFILE_FAIL_IMMEDIATELY, 0, kLength, 0, &where)) {
    return kLockAcquired;
  }
  DWORD error = GetLastError();
  if (error == ERROR_IO_PENDING) {
    // Only a handle opened for overlapped use, which node:fs never makes, gets here. The system
    // still owns `where`, so its answer, immediate by the flag above, has to be collected.
    DWORD transferred = 0;
    if (GetOverlappedResult(file.handle, &where, &transferred, TRUE)) return kLockAcquired;
    error = GetLastError();
  }
  return error == ERROR_LOCK_VIOLATION ? kLockHeldElsewhere : refusal(error);
}

LockResult unlock(const File& file) noexcept {
  if (file.error != kLockAcquired) return file.error;
  OVERLAPPED where = lock_byte();
  if (UnlockFileEx(file.handle, 0, kLength, 0, &where)) return 0;
  const DWORD error = GetLastError();
  // As with flock, dropping what is not held is no error. Wine says "violation" for it.
  return error == ERROR_NOT_LOCKED || error == ERROR_LOCK_VIOLATION ? 0 : refusal(error);
}

// A second handle to the same file object, which is what a lock belongs to: it can be dropped
// through either.
class DuplicatedHandle final : public KeptFile {
 public:
  DuplicatedHandle(HANDLE handle, int fd) : handle_(handle), fd_(fd) {}
  ~DuplicatedHandle() override {
    // The runtime may leave the descriptor open, and with it the file object.
    unlock({.handle = handle_});
    CloseHandle(handle_);
  }
  int descriptor() const override { return fd_; }

 private:
  HANDLE handle_;
  int fd_;
};

}  // namespace

LockResult lock_try_exclusive(int fd) { return try_lock(file_of(fd), LOCKFILE_EXCLUSIVE_LOCK); }

LockResult lock_probe(int fd) {
  const File file = file_of(fd);
  const LockResult result = try_lock(file, 0);
  if (result != kLockAcquired) return result;
  // A shared lock that stays would make the next exclusive try see a holder that does not exist.
  const LockResult released = unlock(file);
  return released == 0 ? kLockAcquired : released;
}

LockResult lock_drop(int fd) { return unlock(file_of(fd)); }

// One kind of lock, and no files without a name.
LockResult ownership_try(int) { return kNotSupported; }
LockResult ownership_probe(int) { return kNotSupported; }
int link_open_file(int, const char*, LinkBy) { return kNotSupported; }

std::unique_ptr<KeptFile> keep_file(int fd) {
  const File file = file_of(fd);
  if (file.error != kLockAcquired) return nullptr;
  HANDLE duplicate = nullptr;
  const HANDLE process = GetCurrentProcess();
  if (!DuplicateHandle(process, file.handle, process, &duplicate, 0, FALSE,
                       DUPLICATE_SAME_ACCESS)) {
    return nullptr;
  }
  std::unique_ptr<KeptFile> kept(new (std::nothrow) DuplicatedHandle(duplicate, fd));
  if (!kept) CloseHandle(duplicate);
  return kept;
}

std::unique_ptr<KeptFile> own_file(int) { return nullptr; }

// Node's numbers come from one of three system calls, by its version: only Node itself knows them.
std::optional<FileId> file_id(int) { return std::nullopt; }

std::optional<std::int64_t> file_system_type(int) { return std::nullopt; }

std::optional<FileStamp> file_stamp(int) { return std::nullopt; }

std::optional<FileStamp> file_stamp_at(const char*) { return std::nullopt; }

std::optional<PathKind> path_kind(const char*) { return std::nullopt; }

bool is_without_links(const char*) { return false; }

bool is_named(const char*, int) { return false; }

}  // namespace pidentity
