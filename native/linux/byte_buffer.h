// Memory for one file of unknown size: on the stack for nearly every process, on the heap for the
// few that need more, never without bound and never aborting when memory runs out.
#ifndef PIDENTITY_NATIVE_LINUX_BYTE_BUFFER_H_
#define PIDENTITY_NATIVE_LINUX_BYTE_BUFFER_H_

#include <cstddef>
#include <memory>
#include <new>
#include <string_view>

namespace pidentity {

class ByteBuffer {
 public:
  // execve() accepts at most 6 MiB of arguments and environment (fs/exec.c, three quarters of
  // _STK_LIM, since Linux 4.13). Only prctl(PR_SET_MM_MAP) makes a process claim more.
  static constexpr std::size_t kMaxCapacity = std::size_t{8} << 20;

  ByteBuffer() = default;
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  char* data() { return heap_ ? heap_.get() : inline_; }
  std::size_t capacity() const { return heap_ ? heap_capacity_ : sizeof inline_; }

  std::string_view bytes() { return {data(), size_}; }
  void set_size(std::size_t size) { size_ = size; }

  // Makes room for `wanted` bytes and forgets the content when it had to grow. False when that is
  // more than kMaxCapacity or memory ran out.
  bool reserve(std::size_t wanted) {
    if (wanted <= capacity()) return true;
    if (wanted > kMaxCapacity) return false;
    size_ = 0;
    heap_.reset(new (std::nothrow) char[wanted]);
    heap_capacity_ = wanted;
    return heap_ != nullptr;
  }

 private:
  std::size_t size_ = 0;
  std::size_t heap_capacity_ = 0;
  std::unique_ptr<char[]> heap_;
  char inline_[16384];  // not initialised: pages that are never written to cost nothing
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_BYTE_BUFFER_H_
