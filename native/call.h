// One call from JavaScript into the addon, and what the calling thread owns.
#ifndef PIDENTITY_NATIVE_CALL_H_
#define PIDENTITY_NATIVE_CALL_H_

#include <napi.h>

#include <cstddef>
#include <iterator>
#include <map>
#include <memory>
#include <optional>

#include "child_tie.h"
#include "file_lock.h"
#include "js_values.h"
#include "process.h"
#include "process_reference.h"

namespace pidentity {

// What one Node environment (the main thread, each worker) owns.
struct Environment {
  std::unique_ptr<ProcessReader> reader = ProcessReader::create();
  ReferenceClass reference_class;
  // By descriptor. They end with this object: when the thread is terminated, too.
  std::map<int, std::unique_ptr<KeptFile>> kept_files;
  // Null while children are not tied.
  std::unique_ptr<ChildTie> child_tie;
};

// Missing arguments are undefined.
struct Call {
  Napi::Env env;
  napi_value self;
  napi_value arguments[5];
  Environment* environment;

  ProcessReader& reader() const { return *environment->reader; }
};

// Empty with an exception pending.
inline std::optional<Pid> to_pid(const Call& call) {
  return to_integer<Pid>(call.env, call.arguments[0], "pid");
}
inline std::optional<int> to_fd(const Call& call, std::size_t index = 0) {
  return to_integer<int>(call.env, call.arguments[index], "fd");
}

// Every function of the module. Null is undefined to JavaScript: it stands for "no result" and for
// a Node-API call that failed. Where an exception can be pending then, it is.
using Function = napi_value (*)(const Call&);

template <Function kFunction>
napi_value entry(napi_env env, napi_callback_info callback_info) {
  Call call{env, nullptr, {}, nullptr};
  std::size_t count = std::size(call.arguments);
  if (napi_get_cb_info(env, callback_info, &count, call.arguments, &call.self, nullptr) !=
      napi_ok) {
    return nullptr;
  }
  call.environment = call.env.GetInstanceData<Environment>();
  if (call.environment == nullptr) return nullptr;
  return kFunction(call);
}

template <Function kFunction>
constexpr napi_property_descriptor method(const char* name) {
  return {name,    nullptr, entry<kFunction>,        nullptr,
          nullptr, nullptr, napi_default_jsproperty, nullptr};
}

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_CALL_H_
