// What tells this machine, and this boot of it, from others.
#ifndef PIDENTITY_NATIVE_WINDOWS_HOST_H_
#define PIDENTITY_NATIVE_WINDOWS_HOST_H_

#include "process.h"
#include "windows/ntdll.h"

namespace pidentity {

[[nodiscard]] HostFacts read_host_facts(const ntdll::Ntdll& ntdll);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_WINDOWS_HOST_H_
