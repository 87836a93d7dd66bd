// What names this machine and this boot of it.
#ifndef PIDENTITY_NATIVE_DARWIN_HOST_FACTS_H_
#define PIDENTITY_NATIVE_DARWIN_HOST_FACTS_H_

#include "process.h"

namespace pidentity {

HostFacts read_host_facts();

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_DARWIN_HOST_FACTS_H_
