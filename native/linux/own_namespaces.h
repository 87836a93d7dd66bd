// The namespaces of this process, read when they are first asked for: questions about liveness
// alone rarely need them.
#ifndef PIDENTITY_NATIVE_LINUX_OWN_NAMESPACES_H_
#define PIDENTITY_NATIVE_LINUX_OWN_NAMESPACES_H_

#include <unistd.h>

#include <optional>

#include "linux/host_facts.h"

namespace pidentity {

class OwnNamespaces {
 public:
  OwnNamespaces() {
    const long ticks = ::sysconf(_SC_CLK_TCK);
    if (ticks > 0) ticks_per_second_ = static_cast<double>(ticks);
  }

  const Namespaces& get() {
    if (!namespaces_) namespaces_ = read_namespaces(ticks_per_second_);
    return *namespaces_;
  }

  // The unit of start times.
  double ticks_per_second() const { return ticks_per_second_; }

 private:
  double ticks_per_second_ = 100;  // USER_HZ on every architecture of Node
  std::optional<Namespaces> namespaces_;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_OWN_NAMESPACES_H_
