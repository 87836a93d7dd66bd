// The functions of the addon that tell more than one fact about processes, command lines included.
#ifndef PIDENTITY_NATIVE_INSPECT_H_
#define PIDENTITY_NATIVE_INSPECT_H_

#include <napi.h>

#include <cstddef>
#include <span>

#include "call.h"
#include "process.h"

namespace pidentity {

napi_value args(const Call& call);
napi_value inspect(const Call& call);
napi_value inspect_many(const Call& call);
napi_value identity(const Call& call);
napi_value list(const Call& call);

// FACT_COUNT of lib/native/binding.ts: facts of one answer.
inline constexpr std::size_t kFactCount = 6;

// IDENTITY_FACT of lib/native/binding.ts. `facts`: kFactCount of them.
void write_identity(std::span<double> facts, const Identity& identity);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_INSPECT_H_
