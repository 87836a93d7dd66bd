// The addon's functions: each reads its arguments, asks one of the OS contracts (process.h,
// file_lock.h, clock.h) and answers with a JavaScript value. lib/native/binding.ts describes them.
#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "argument_array.h"
#include "call.h"
#include "clock.h"
#include "exit_watch.h"
#include "file_lock.h"
#include "file_watch.h"
#include "js_values.h"
#include "process.h"

namespace pidentity {
namespace {

constexpr std::size_t kFactCount = 6;  // FACT_COUNT in lib/native/binding.ts

std::optional<Pid> to_pid(const Call& call) {
  return to_integer<Pid>(call.env, call.arguments[0], "pid");
}

std::optional<int> to_fd(napi_env env, napi_value value) {
  return to_integer<int>(env, value, "fd");
}

double fact(State state) { return static_cast<double>(state); }
double fact(Reason reason) { return static_cast<double>(reason); }
double fact(ArgsReason reason) { return static_cast<double>(reason); }
template <typename T>
double fact(const std::optional<T>& value) {
  return value ? static_cast<double>(*value) : std::numeric_limits<double>::quiet_NaN();
}

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

napi_value args(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  napi_value array = nullptr;
  if (!pid || napi_create_array(call.env, &array) != napi_ok) return nullptr;
  ArgumentArray sink(call.env, array);
  const ArgsReason reason = call.reader().arguments(*pid, sink);
  sink.finish();
  return reason == ArgsReason::kRead && sink.complete() && sink.kept() ? array : null(call.env);
}

double* facts_of(const Call& call) {
  return to_numbers(call.env, call.arguments[1], kFactCount, "facts");
}

napi_value inspect(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  const napi_value args_array = call.arguments[2];
  if (!pid || facts_of(call) == nullptr) return nullptr;
  const bool with_args = type_of(call.env, args_array) != napi_undefined;
  if (with_args && !is_empty_array(call.env, args_array, "args")) return nullptr;

  ArgumentArray sink(call.env, args_array);
  Snapshot snapshot = call.reader().inspect(*pid, with_args ? &sink : nullptr);
  sink.finish();
  if (snapshot.args_reason == ArgsReason::kRead && !sink.complete()) {
    bool thrown = false;
    if (napi_is_exception_pending(call.env, &thrown) != napi_ok || thrown) return nullptr;
    snapshot.args_reason = ArgsReason::kUnsupported;
  }
  // Asked again: appending to an array may run the caller's code (a setter on Array.prototype),
  // which may have detached this one.
  double* const facts = facts_of(call);
  if (facts == nullptr) return nullptr;
  const bool read = snapshot.args_reason == ArgsReason::kRead;
  if (read && !sink.kept()) {
    throw_type_error(call.env, "args", "extensible");
    return nullptr;
  }
  facts[0] = fact(snapshot.liveness.state);
  facts[1] = fact(snapshot.liveness.reason);
  facts[2] = fact(snapshot.start_time);
  facts[3] = fact(snapshot.started_at_ms);
  facts[4] = fact(snapshot.parent);
  facts[5] = fact(snapshot.args_reason);
  return read && sink.raw_value() != nullptr ? sink.raw_value() : null(call.env);
}

napi_value identity(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  double* const facts = pid ? facts_of(call) : nullptr;
  if (facts == nullptr) return nullptr;
  const Identity identity = call.reader().identity(*pid);
  const std::optional<std::uint64_t>& id = identity.exact_id;
  facts[0] = fact(identity.liveness.state);
  facts[1] = fact(identity.liveness.reason);
  facts[2] = fact(identity.start_time);
  // Two numbers, since one holds 53 bits.
  facts[3] = fact(id ? std::optional(*id >> 32) : std::nullopt);
  facts[4] = fact(id ? std::optional(*id & UINT32_MAX) : std::nullopt);
  return nullptr;
}

napi_value reason_by_exact_id(const Call& call) {
  const std::optional<std::uint64_t> id = to_exact_id(call.env, call.arguments[0]);
  if (!id) return nullptr;
  return number(call.env, fact(call.reader().by_exact_id(*id).reason));
}

napi_value host(const Call& call) {
  const Napi::Env env = call.env;
  const HostFacts host = call.reader().host();
  return ObjectBuilder(env)
      .set("machineId", string(env, host.machine_id))
      .set("bootId", string(env, host.boot_id))
      .set("pidNamespace", string(env, host.pid_namespace))
      .set("initialPidNamespace", boolean(env, host.initial_pid_namespace))
      .set("startTimeOffset", number(env, fact(host.start_time_offset)))
      .set("monotonicOffsetMs", number(env, fact(host.monotonic_offset_ms)))
      .object();
}

napi_value watch_exit(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  if (!pid) return nullptr;
  std::unique_ptr<ExitWatch> watch = call.reader().watch_exit(*pid);
  if (!watch) return null(call.env);
  return wrap_exit_watch(call.env, call.environment->exit_watch_class, std::move(watch));
}

napi_value watch_tell_closes(const Call& call) {
  const std::optional<int> fd = to_fd(call.env, call.arguments[0]);
  if (!fd) return nullptr;
  return boolean(call.env, tell_closes(*fd));
}

template <LockResult (*kOperation)(int)>
napi_value lock_call(const Call& call) {
  const std::optional<int> fd = to_fd(call.env, call.arguments[0]);
  if (!fd) return nullptr;
  return number(call.env, kOperation(*fd));
}

napi_value lock_keep_file(const Call& call) {
  const std::optional<int> fd = to_fd(call.env, call.arguments[0]);
  if (!fd) return nullptr;
  std::unique_ptr<KeptFile> file = keep_file(*fd);
  if (!file) return null(call.env);
  const int descriptor = file->descriptor();
  call.environment->kept_files.insert_or_assign(descriptor, std::move(file));
  return number(call.env, descriptor);
}

napi_value lock_drop_file(const Call& call) {
  const std::optional<int> fd = to_fd(call.env, call.arguments[0]);
  if (!fd) return nullptr;
  return boolean(call.env, call.environment->kept_files.erase(*fd) != 0);
}

napi_value lock_file_id(const Call& call) {
  const std::optional<int> fd = to_fd(call.env, call.arguments[0]);
  if (!fd) return nullptr;
  const std::optional<FileId> id = file_id(*fd);
  if (!id) return null(call.env);
  return string(call.env, std::to_string(id->device) + ':' + std::to_string(id->inode));
}

napi_value lock_file_system_type(const Call& call) {
  const std::optional<int> fd = to_fd(call.env, call.arguments[0]);
  if (!fd) return nullptr;
  const std::optional<std::int64_t> type = file_system_type(*fd);
  return type ? number(call.env, static_cast<double>(*type)) : null(call.env);
}

template <std::optional<double> (*kClock)()>
napi_value clock_call(const Call& call) {
  const std::optional<double> milliseconds = kClock();
  return milliseconds ? number(call.env, *milliseconds) : null(call.env);
}

napi_value lock_is_named(const Call& call) {
  // Linux's PATH_MAX, the final NUL included; other systems take less. Of a path that is longer at
  // least that many bytes arrive, because only whole characters are cut off.
  constexpr std::size_t kMaxPathBytes = 4096;
  constexpr std::size_t kMaxCharacterBytes = 4;
  char path[kMaxPathBytes + kMaxCharacterBytes];
  std::size_t size = 0;
  if (napi_get_value_string_utf8(call.env, call.arguments[0], path, sizeof path, &size) !=
      napi_ok) {
    throw_type_error(call.env, "path", "a string");
    return nullptr;
  }
  const std::optional<int> fd = to_fd(call.env, call.arguments[1]);
  if (!fd) return nullptr;
  // Cut off, or ending early at a NUL byte, it would be another file's path.
  const bool whole =
      size < kMaxPathBytes && std::string_view(path, size).find('\0') == std::string_view::npos;
  return boolean(call.env, whole && is_named(path, *fd));
}

// Called when the Node environment ends, which deletes no reference by itself.
void delete_environment(Napi::Env env, Environment* environment) {
  napi_delete_reference(env, environment->exit_watch_class.constructor);
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
      method<identity>("identity"),
      method<reason_by_exact_id>("reasonByExactId"),
      method<host>("host"),
      method<watch_exit>("watchExit"),
      method<watch_tell_closes>("tellCloses"),
      method<lock_call<lock_try_exclusive>>("lockTryExclusive"),
      method<lock_call<lock_probe>>("lockProbe"),
      method<lock_keep_file>("keepFile"),
      method<lock_drop_file>("dropFile"),
      method<lock_file_id>("fileId"),
      method<lock_file_system_type>("fileSystemType"),
      method<lock_is_named>("isNamed"),
      method<clock_call<monotonic_ms>>("monotonicMs"),
      method<clock_call<since_boot_ms>>("sinceBootMs"),
  };
  if (!define_exit_watch_class(env, own->exit_watch_class) ||
      napi_define_properties(env, exports, std::size(functions), functions) != napi_ok) {
    return false;
  }
  env.SetInstanceData<Environment, delete_environment>(own.release());
  return true;
}

}  // namespace
}  // namespace pidentity

NAPI_MODULE_INIT() { return pidentity::initialize(env, exports) ? exports : nullptr; }
