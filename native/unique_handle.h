// Move-only ownership of one OS handle: closed exactly once, on every way out of a scope.
//
// A file descriptor and a Windows HANDLE differ only in their type, their "nothing" value and the
// call that closes them, so each OS folder names those three in a traits struct:
//
//   struct FileDescriptorTraits {
//     using Handle = int;
//     static constexpr Handle invalid() { return -1; }
//     static void close(Handle fd) { ::close(fd); }
//   };
//
// On Windows OpenProcess fails with NULL, CreateFile with INVALID_HANDLE_VALUE: one traits struct
// for each.
#ifndef PIDENTITY_NATIVE_UNIQUE_HANDLE_H_
#define PIDENTITY_NATIVE_UNIQUE_HANDLE_H_

#include <utility>

namespace pidentity {

template <typename Traits>
class UniqueHandle {
 public:
  using Handle = typename Traits::Handle;

  UniqueHandle() = default;
  explicit UniqueHandle(Handle handle) : handle_(handle) {}
  UniqueHandle(UniqueHandle&& other) noexcept : handle_(other.release()) {}
  UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    // Through release(), so that moving a handle onto itself keeps it.
    reset(other.release());
    return *this;
  }
  UniqueHandle(const UniqueHandle&) = delete;
  UniqueHandle& operator=(const UniqueHandle&) = delete;
  ~UniqueHandle() { reset(); }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Traits::invalid(); }

  // Gives the handle away unclosed.
  [[nodiscard]] Handle release() { return std::exchange(handle_, Traits::invalid()); }

  void reset(Handle handle = Traits::invalid()) {
    Handle old = std::exchange(handle_, handle);
    if (old != Traits::invalid()) Traits::close(old);
  }

 private:
  Handle handle_ = Traits::invalid();
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_UNIQUE_HANDLE_H_
