// Kept references to processes (ExitWatch: pidfd, HANDLE) as JavaScript objects: NativeExitWatch in
// lib/native/binding.ts.
#ifndef PIDENTITY_NATIVE_EXIT_WATCH_H_
#define PIDENTITY_NATIVE_EXIT_WATCH_H_

#include <napi.h>

#include <memory>

#include "process.h"

namespace pidentity {

// The class of one Node environment.
struct ExitWatchClass {
  napi_ref constructor = nullptr;
  // For the constructor, which JavaScript can call, too, but then without one of these.
  std::unique_ptr<ExitWatch> to_wrap;
};

// Makes the class. False when an exception is pending or the environment is going away.
bool define_exit_watch_class(napi_env env, ExitWatchClass& exit_watch_class);

// A JavaScript object that owns `watch`; undefined (null) when it cannot be made.
napi_value wrap_exit_watch(napi_env env, ExitWatchClass& exit_watch_class,
                           std::unique_ptr<ExitWatch> watch);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_EXIT_WATCH_H_
