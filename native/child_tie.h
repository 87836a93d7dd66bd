// A small contract beside the others: whether the processes that this one starts end with it,
// however it ends.
#ifndef PIDENTITY_NATIVE_CHILD_TIE_H_
#define PIDENTITY_NATIVE_CHILD_TIE_H_

#include <memory>

namespace pidentity {

// While it exists, the processes that this one starts, and those that they start, end when this
// process ends: by itself, by a crash, or terminated. When it is destroyed before loosen(), they
// end then, and this process with them.
class ChildTie {
 public:
  // Null where the OS has nothing of the kind (POSIX) or refuses.
  static std::unique_ptr<ChildTie> create();

  ChildTie(const ChildTie&) = delete;
  ChildTie& operator=(const ChildTie&) = delete;
  virtual ~ChildTie() = default;

  // From now on all that run go on without this process. False: refused, and nothing has changed.
  virtual bool loosen() = 0;

 protected:
  ChildTie() = default;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_CHILD_TIE_H_
