// Kept references to processes (ProcessReference: pidfd, HANDLE) as JavaScript objects:
// NativeProcessReference in lib/native/binding.ts.
#ifndef PIDENTITY_NATIVE_PROCESS_REFERENCE_H_
#define PIDENTITY_NATIVE_PROCESS_REFERENCE_H_

#include <napi.h>

#include <memory>

#include "process.h"

namespace pidentity {

// The class of one Node environment.
struct ReferenceClass {
  napi_ref constructor = nullptr;
  // For the constructor, which JavaScript can call, too, but then without one of these.
  std::unique_ptr<ProcessReference> to_wrap;
};

// Makes the class. False when an exception is pending or the environment is going away.
bool define_reference_class(napi_env env, ReferenceClass& reference_class);

// A JavaScript object that owns `reference`; undefined (null) when it cannot be made.
napi_value wrap_reference(napi_env env, ReferenceClass& reference_class,
                          std::unique_ptr<ProcessReference> reference);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_PROCESS_REFERENCE_H_
