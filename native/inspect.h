// The functions of the addon that tell more than one fact about processes, command lines included.
#ifndef PIDENTITY_NATIVE_INSPECT_H_
#define PIDENTITY_NATIVE_INSPECT_H_

#include <napi.h>

#include "call.h"

namespace pidentity {

napi_value args(const Call& call);
napi_value inspect(const Call& call);
napi_value inspect_many(const Call& call);
napi_value identity(const Call& call);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_INSPECT_H_
