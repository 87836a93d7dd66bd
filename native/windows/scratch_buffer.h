// Memory for answers whose size only the system knows: grows, reports failure, never throws.
#ifndef PIDENTITY_NATIVE_WINDOWS_SCRATCH_BUFFER_H_
#define PIDENTITY_NATIVE_WINDOWS_SCRATCH_BUFFER_H_

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace pidentity {

class ScratchBuffer {
 public:
  // Makes room for at least `bytes`; what was in the buffer is void. False when there is no memory,
  // and then the buffer is empty. Aligned for every fundamental type.
  [[nodiscard]] bool reserve(std::size_t bytes) noexcept {
    if (bytes <= size_) return true;
    memory_.reset();
    size_ = 0;
    memory_.reset(std::malloc(bytes));
    if (memory_ != nullptr) size_ = bytes;
    return size_ != 0;
  }

  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(memory_.get()); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };

  std::unique_ptr<void, Free> memory_;
  std::size_t size_ = 0;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_SCRATCH_BUFFER_H_
