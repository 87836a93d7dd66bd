// The addon's functions: each reads its arguments, asks one of the OS contracts (process.h,
// clock.h; file_lock.h in file_lock_calls.cc, file_io.h in file_io_calls.cc) and answers with a
// JavaScript value. lib/native/binding.ts describes them.
#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "call.h"
#include "clock.h"
#include "file_io_calls.h"
#include "file_lock_calls.h"
#include "file_watch.h"
#include "inspect.h"
#include "js_values.h"
#include "process.h"
#include "process_reference.h"

namespace pidentity {
namespace {

napi_value is_alive(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  if (!pid) return nullptr;
  // What the OS refuses to tell is no proof of an end.
  return boolean(call.env, call.reader().liveness(*pid).state != State::kGone);
}

napi_value start_time(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  if (!pid) return nullptr;
  const std::optional<std::int64_t> start = call.reader().start_time(*pid);
  return start ? number(call.env, static_cast<double>(*start)) : null(call.env);
}

napi_value reason_by_exact_id(const Call& call) {
  const std::optional<std::uint64_t> id = to_exact_id(call.env, call.arguments[0]);
  if (!id) return nullptr;
  return number(call.env, static_cast<double>(call.reader().by_exact_id(*id).reason));
}

napi_value host(const Call& call) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const Napi::Env env = call.env;
  const HostFacts host = call.reader().host();
  return ObjectBuilder(env)
      .set("machineId", string(env, host.machine_id))
      .set("bootId", string(env, host.boot_id))
      .set("pidNamespace", string(env, host.pid_namespace))
      .set("initialPidNamespace", boolean(env, host.initial_pid_namespace))
      .set("startTimeOffset", number(env, host.start_time_offset.value_or(kUnknown)))
      .set("monotonicOffsetMs", number(env, host.monotonic_offset_ms.value_or(kUnknown)))
      .object();
}

napi_value wrapped(const Call& call, std::unique_ptr<ProcessReference> reference) {
  if (!reference) return null(call.env);
  return wrap_reference(call.env, call.environment->reference_class, std::move(reference));
}

napi_value reference(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  if (!pid) return nullptr;
  return wrapped(call, call.reader().reference(*pid));
}

napi_value reference_by_exact_id(const Call& call) {
  const std::optional<std::uint64_t> id = to_exact_id(call.env, call.arguments[0]);
  if (!id) return nullptr;
  return wrapped(call, call.reader().reference_by_exact_id(*id));
}

napi_value tie_children(const Call& call) {
  std::unique_ptr<ChildTie>& tie = call.environment->child_tie;
  if (!tie) tie = ChildTie::create();
  return boolean(call.env, tie != nullptr);
}

napi_value loosen_children(const Call& call) {
  std::unique_ptr<ChildTie>& tie = call.environment->child_tie;
  if (!tie || !tie->loosen()) return boolean(call.env, false);
  tie.reset();
  return boolean(call.env, true);
}

napi_value watch_tell_closes(const Call& call) {
  const std::optional<int> fd = to_fd(call);
  if (!fd) return nullptr;
  return boolean(call.env, tell_closes(*fd));
}

template <std::optional<double> (*kClock)()>
napi_value clock_call(const Call& call) {
  const std::optional<double> milliseconds = kClock();
  return milliseconds ? number(call.env, *milliseconds) : null(call.env);
}

// Called when the Node environment ends, which deletes no reference by itself.
void delete_environment(Napi::Env env, Environment* environment) {
  napi_delete_reference(env, environment->reference_class.constructor);
  delete environment;
}

// False when an exception is pending or the environment is going away.
bool initialize(Napi::Env env, napi_value exports) {
  std::unique_ptr<Environment> own(new (std::nothrow) Environment());
  if (!own || !own->reader) {
    napi_throw_error(env, nullptr, "out of memory");
    return false;
  }
  const napi_property_descriptor functions[] = {
      method<is_alive>("isAlive"),
      method<start_time>("startTime"),
      method<args>("args"),
      method<inspect>("inspect"),
      method<inspect_many>("inspectMany"),
      method<identity>("identity"),
      method<reason_by_exact_id>("reasonByExactId"),
      method<host>("host"),
      method<reference>("reference"),
      method<reference_by_exact_id>("referenceByExactId"),
      method<list>("list"),
      method<watch_tell_closes>("tellCloses"),
      method<tie_children>("tieChildren"),
      method<loosen_children>("loosenChildren"),
      method<clock_call<monotonic_ms>>("monotonicMs"),
      method<clock_call<since_boot_ms>>("sinceBootMs"),
  };
  if (!define_reference_class(env, own->reference_class) ||
      napi_define_properties(env, exports, std::size(functions), functions) != napi_ok ||
      !define_file_lock_calls(env, exports) || !define_file_io_calls(env, exports)) {
    return false;
  }
  env.SetInstanceData<Environment, delete_environment>(own.release());
  return true;
}

}  // namespace
}  // namespace pidentity

NAPI_MODULE_INIT() { return pidentity::initialize(env, exports) ? exports : nullptr; }
