// Node-API glue: argument checks in, JavaScript values out. Every OS fact comes from process.h and
// file_lock.h; lib/native/binding.ts describes this module's exports.
//
// Values come from node-addon-api. What runs JavaScript or its machinery (setting properties,
// throwing, constructing) goes through the C interface below it: when such a call fails, the
// wrapper makes an error object, and aborts the process where it cannot, which is so in a worker
// that is being terminated. Here a failed call makes the function return nothing; where an
// exception can be pending, it then is.
#include <napi.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "clock.h"
#include "file_lock.h"
#include "process.h"

namespace pidentity {
namespace {

constexpr std::size_t kFactCount = 6;  // FACT_COUNT in lib/native/binding.ts

// What one Node environment (the main thread, each worker) owns.
struct Environment {
  std::unique_ptr<ProcessReader> reader = ProcessReader::create();
  napi_ref exit_watch_class = nullptr;
  // On its way into the constructor of an exit watch, which JavaScript can call, too, but not feed.
  std::unique_ptr<ExitWatch> watch_to_wrap;
  // By descriptor. They end with this object: when the thread is terminated, too.
  std::map<int, std::unique_ptr<KeptFile>> kept_files;
};

// One call from JavaScript. Missing arguments are undefined.
struct Call {
  Napi::Env env;
  napi_value self;
  napi_value arguments[3];
  Environment* environment;

  ProcessReader& reader() const { return *environment->reader; }
};

// Every function of the module. Null is undefined to JavaScript.
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

napi_valuetype type_of(Napi::Env env, napi_value value) { return Napi::Value(env, value).Type(); }

bool is_array(Napi::Env env, napi_value value) { return Napi::Value(env, value).IsArray(); }

napi_value null(Napi::Env env) { return env.Null(); }

napi_value boolean(Napi::Env env, bool value) { return Napi::Boolean::New(env, value); }

napi_value number(Napi::Env env, double value) { return Napi::Number::New(env, value); }

napi_value string(napi_env env, const std::string& text) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &result);
  return result;
}

// An object under construction; null once anything failed.
class ObjectBuilder {
 public:
  explicit ObjectBuilder(napi_env env) : env_(env) {
    if (napi_create_object(env, &object_) != napi_ok) object_ = nullptr;
  }

  ObjectBuilder& set(const char* name, napi_value value) {
    if (object_ != nullptr &&
        (value == nullptr || napi_set_named_property(env_, object_, name, value) != napi_ok)) {
      object_ = nullptr;
    }
    return *this;
  }

  napi_value object() const { return object_; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

// The first characters of a string, quoted.
std::string quote(napi_env env, napi_value value) {
  // Read into a small buffer: a huge string is not copied for the sake of its start.
  char text[64];
  std::size_t size = 0;
  if (napi_get_value_string_utf8(env, value, text, sizeof text, &size) != napi_ok) {
    return "a string";
  }
  const bool whole = size + 4 < sizeof text;
  return '"' + std::string(text, size) + (whole ? "\"" : "...\"");
}

// How an error message shows the value it refuses. Never runs the caller's code (toString,
// getters).
std::string describe(napi_env env, napi_value value) {
  switch (type_of(env, value)) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean: {
      bool truth = false;
      napi_get_value_bool(env, value, &truth);
      return truth ? "true" : "false";
    }
    case napi_number: {
      napi_value text = nullptr;
      char digits[32];
      std::size_t size = 0;
      if (napi_coerce_to_string(env, value, &text) != napi_ok ||
          napi_get_value_string_utf8(env, text, digits, sizeof digits, &size) != napi_ok) {
        return "a number";
      }
      return std::string(digits, size);
    }
    case napi_string:
      return quote(env, value);
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    default:
      return is_array(env, value) ? "an array" : "an object";
  }
}

std::string refusal(napi_env env, const char* name, const std::string& expected, napi_value value) {
  return std::string(name) + " must be " + expected + ": " + describe(env, value);
}

void throw_type_error(napi_env env, const char* name, const std::string& expected,
                      napi_value value) {
  napi_throw_type_error(env, nullptr, refusal(env, name, expected, value).c_str());
}

void throw_range_error(napi_env env, const char* name, const std::string& expected,
                       napi_value value) {
  napi_throw_range_error(env, nullptr, refusal(env, name, expected, value).c_str());
}

// An empty result means that an exception is pending.
template <typename Integer>
std::optional<Integer> to_integer(napi_env env, napi_value value, const char* name) {
  double given = 0;
  if (napi_get_value_double(env, value, &given) != napi_ok) {
    throw_type_error(env, name, "a number", value);
    return std::nullopt;
  }
  constexpr Integer kMax = std::numeric_limits<Integer>::max();
  // The first comparison is also false for NaN.
  if (!(given >= 0 && given <= kMax) || given != std::floor(given)) {
    throw_range_error(env, name, "an integer from 0 to " + std::to_string(kMax), value);
    return std::nullopt;
  }
  return static_cast<Integer>(given);
}

std::optional<Pid> to_pid(const Call& call) {
  return to_integer<Pid>(call.env, call.arguments[0], "pid");
}

std::optional<std::uint64_t> to_exact_id(napi_env env, napi_value value) {
  if (type_of(env, value) != napi_string) {
    throw_type_error(env, "exactId", "a string", value);
    return std::nullopt;
  }
  char digits[24];
  std::size_t size = 0;
  bool valid =
      napi_get_value_string_utf8(env, value, digits, sizeof digits, &size) == napi_ok && size > 0;
  std::uint64_t id = 0;
  for (std::size_t i = 0; valid && i < size; ++i) {
    valid = digits[i] >= '0' && digits[i] <= '9' &&
            id <= (UINT64_MAX - static_cast<std::uint64_t>(digits[i] - '0')) / 10;
    if (valid) id = id * 10 + static_cast<std::uint64_t>(digits[i] - '0');
  }
  if (!valid) {
    throw_range_error(env, "exactId", "the decimal digits of a 64-bit number", value);
    return std::nullopt;
  }
  return id;
}

// Turns a command line into JavaScript values: the raw text, and the arguments appended to an
// array.
class ArraySink final : public CommandLineSink {
 public:
  ArraySink(napi_env env, napi_value array) : env_(env), array_(array) {}
  ~ArraySink() { close_scope(); }
  ArraySink(const ArraySink&) = delete;
  ArraySink& operator=(const ArraySink&) = delete;

  void raw(std::string_view bytes) override { keep_raw(create(bytes)); }
  void raw(std::u16string_view units) override { keep_raw(create(units)); }
  void argument(std::string_view bytes) override { append(bytes); }
  void argument(std::u16string_view units) override { append(units); }

  // To be called before any other value is made: until then they land in the arguments' scope.
  void finish() { close_scope(); }

  // False when a string could not be made or an exception is pending.
  bool complete() const { return complete_; }

  // False when the array ignored what was appended: it is frozen, or Array.prototype has a setter.
  bool kept() const {
    std::uint32_t length = 0;
    return napi_get_array_length(env_, array_, &length) == napi_ok && length == count_;
  }
  napi_value raw_value() const { return raw_; }

 private:
  // A command line may have a million arguments; their handles must not pile up.
  static constexpr std::uint32_t kArgumentsPerScope = 128;

  napi_value create(std::string_view bytes) {
    napi_value value = nullptr;
    // Invalid UTF-8 becomes U+FFFD. ASCII takes the cheaper way to the same string.
    const napi_status status =
        is_ascii(bytes) ? napi_create_string_latin1(env_, bytes.data(), bytes.size(), &value)
                        : napi_create_string_utf8(env_, bytes.data(), bytes.size(), &value);
    return status == napi_ok ? value : nullptr;
  }

  napi_value create(std::u16string_view units) {
    napi_value value = nullptr;
    const napi_status status = napi_create_string_utf16(env_, units.data(), units.size(), &value);
    return status == napi_ok ? value : nullptr;
  }

  static bool is_ascii(std::string_view bytes) {
    unsigned char seen = 0;
    for (const char byte : bytes) seen |= static_cast<unsigned char>(byte);
    return seen < 0x80;
  }

  void keep_raw(napi_value value) {
    raw_ = value;
    if (value == nullptr) complete_ = false;
  }

  template <typename View>
  void append(View text) {
    if (!complete_) return;
    if (count_ % kArgumentsPerScope == 0) {
      close_scope();
      if (napi_open_handle_scope(env_, &scope_) != napi_ok) scope_ = nullptr;
    }
    const napi_value value = create(text);
    complete_ = value != nullptr && napi_set_element(env_, array_, count_, value) == napi_ok;
    ++count_;
  }

  void close_scope() {
    if (scope_ != nullptr) napi_close_handle_scope(env_, scope_);
    scope_ = nullptr;
  }

  napi_env env_;
  napi_value array_;
  napi_value raw_ = nullptr;
  napi_handle_scope scope_ = nullptr;
  std::uint32_t count_ = 0;
  bool complete_ = true;
};

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
  ArraySink sink(call.env, array);
  const ArgsReason reason = call.reader().arguments(*pid, sink);
  sink.finish();
  return reason == ArgsReason::kRead && sink.complete() && sink.kept() ? array : null(call.env);
}

// The numbers of a Float64Array that holds at least kFactCount; null, with an exception pending,
// for anything else.
double* facts_of(napi_env env, napi_value value) {
  bool is_typed_array = false;
  napi_is_typedarray(env, value, &is_typed_array);
  napi_typedarray_type type = napi_int8_array;
  std::size_t length = 0;
  void* numbers = nullptr;
  if (!is_typed_array ||
      napi_get_typedarray_info(env, value, &type, &length, &numbers, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array) {
    throw_type_error(env, "facts", "a Float64Array", value);
    return nullptr;
  }
  // A detached array has no length.
  if (length < kFactCount || numbers == nullptr) {
    throw_range_error(env, "facts", "of length " + std::to_string(kFactCount) + " or more", value);
    return nullptr;
  }
  return static_cast<double*>(numbers);
}

bool is_args_array(napi_env env, napi_value value) {
  if (!is_array(env, value)) {
    throw_type_error(env, "args", "an array", value);
    return false;
  }
  std::uint32_t length = 0;
  napi_get_array_length(env, value, &length);
  if (length != 0) throw_range_error(env, "args", "empty", value);
  return length == 0;
}

napi_value inspect(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  const napi_value facts_array = call.arguments[1];
  const napi_value args_array = call.arguments[2];
  if (!pid || facts_of(call.env, facts_array) == nullptr) return nullptr;
  const bool with_args = type_of(call.env, args_array) != napi_undefined;
  if (with_args && !is_args_array(call.env, args_array)) return nullptr;

  ArraySink sink(call.env, args_array);
  Snapshot snapshot = call.reader().inspect(*pid, with_args ? &sink : nullptr);
  sink.finish();
  if (snapshot.args_reason == ArgsReason::kRead && !sink.complete()) {
    bool thrown = false;
    if (napi_is_exception_pending(call.env, &thrown) != napi_ok || thrown) return nullptr;
    snapshot.args_reason = ArgsReason::kUnsupported;
  }
  // Asked again: appending to an array may run the caller's code (a setter on Array.prototype),
  // which may have detached this one.
  double* const facts = facts_of(call.env, facts_array);
  if (facts == nullptr) return nullptr;
  const bool read = snapshot.args_reason == ArgsReason::kRead;
  if (read && !sink.kept()) {
    throw_type_error(call.env, "args", "extensible", args_array);
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
  double* const facts = pid ? facts_of(call.env, call.arguments[1]) : nullptr;
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

// NativeExitWatch: a JavaScript object that owns an ExitWatch. The tag keeps its methods from being
// called on an object that wraps something else.
constexpr napi_type_tag kExitWatchTag = {0x7069642065786974, 0x8f2ab3cd1e574690};

struct WrappedWatch {
  std::unique_ptr<ExitWatch> watch;  // null once closed
};

void delete_wrapped_watch(napi_env, void* data, void*) { delete static_cast<WrappedWatch*>(data); }

napi_value construct_exit_watch(const Call& call) {
  // Empty unless watch_exit() is the caller; only there it is filled, and only for one
  // construction.
  std::unique_ptr<ExitWatch> watch = std::move(call.environment->watch_to_wrap);
  if (!watch) {
    napi_throw_type_error(call.env, nullptr, "an exit watch is made by watchExit only");
    return nullptr;
  }
  std::unique_ptr<WrappedWatch> wrapped(new (std::nothrow) WrappedWatch{std::move(watch)});
  if (!wrapped || napi_type_tag_object(call.env, call.self, &kExitWatchTag) != napi_ok ||
      napi_wrap(call.env, call.self, wrapped.get(), delete_wrapped_watch, nullptr, nullptr) !=
          napi_ok) {
    napi_throw_error(call.env, nullptr, "cannot make an exit watch");
    return nullptr;
  }
  static_cast<void>(wrapped.release());  // now owned by the object
  return call.self;
}

// Null, with an exception pending, when `this` is not an exit watch.
WrappedWatch* wrapped_watch(const Call& call) {
  bool tagged = false;
  void* data = nullptr;
  if (type_of(call.env, call.self) != napi_object ||
      napi_check_object_type_tag(call.env, call.self, &kExitWatchTag, &tagged) != napi_ok ||
      !tagged || napi_unwrap(call.env, call.self, &data) != napi_ok) {
    throw_type_error(call.env, "this", "an exit watch", call.self);
    return nullptr;
  }
  return static_cast<WrappedWatch*>(data);
}

napi_value exit_watch_exited(const Call& call) {
  WrappedWatch* const wrapped = wrapped_watch(call);
  if (wrapped == nullptr) return nullptr;
  if (!wrapped->watch) {
    napi_throw_error(call.env, nullptr, "the exit watch is closed");
    return nullptr;
  }
  return boolean(call.env, wrapped->watch->exited());
}

napi_value exit_watch_close(const Call& call) {
  WrappedWatch* const wrapped = wrapped_watch(call);
  if (wrapped != nullptr) wrapped->watch.reset();
  return nullptr;
}

napi_value watch_exit(const Call& call) {
  const std::optional<Pid> pid = to_pid(call);
  if (!pid) return nullptr;
  std::unique_ptr<ExitWatch> watch = call.reader().watch_exit(*pid);
  if (!watch) return null(call.env);
  napi_value exit_watch_class = nullptr;
  if (napi_get_reference_value(call.env, call.environment->exit_watch_class, &exit_watch_class) !=
      napi_ok) {
    return nullptr;
  }
  call.environment->watch_to_wrap = std::move(watch);
  napi_value object = nullptr;
  if (napi_new_instance(call.env, exit_watch_class, 0, nullptr, &object) != napi_ok) {
    object = nullptr;
  }
  call.environment->watch_to_wrap.reset();
  return object;
}

template <LockResult (*kOperation)(int)>
napi_value lock_call(const Call& call) {
  const std::optional<int> fd = to_integer<int>(call.env, call.arguments[0], "fd");
  if (!fd) return nullptr;
  return number(call.env, kOperation(*fd));
}

napi_value lock_keep_file(const Call& call) {
  const std::optional<int> fd = to_integer<int>(call.env, call.arguments[0], "fd");
  if (!fd) return nullptr;
  std::unique_ptr<KeptFile> file = keep_file(*fd);
  if (!file) return null(call.env);
  const int descriptor = file->descriptor();
  call.environment->kept_files.insert_or_assign(descriptor, std::move(file));
  return number(call.env, descriptor);
}

napi_value lock_drop_file(const Call& call) {
  const std::optional<int> fd = to_integer<int>(call.env, call.arguments[0], "fd");
  if (!fd) return nullptr;
  return boolean(call.env, call.environment->kept_files.erase(*fd) != 0);
}

napi_value lock_file_id(const Call& call) {
  const std::optional<int> fd = to_integer<int>(call.env, call.arguments[0], "fd");
  if (!fd) return nullptr;
  const std::optional<FileId> id = file_id(*fd);
  if (!id) return null(call.env);
  return string(call.env, std::to_string(id->device) + ':' + std::to_string(id->inode));
}

napi_value lock_file_system_type(const Call& call) {
  const std::optional<int> fd = to_integer<int>(call.env, call.arguments[0], "fd");
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
    throw_type_error(call.env, "path", "a string", call.arguments[0]);
    return nullptr;
  }
  const std::optional<int> fd = to_integer<int>(call.env, call.arguments[1], "fd");
  if (!fd) return nullptr;
  // Cut off, or ending early at a NUL byte, it would be another file's path.
  const bool whole =
      size < kMaxPathBytes && std::string_view(path, size).find('\0') == std::string_view::npos;
  return boolean(call.env, whole && is_named(path, *fd));
}

template <Function kFunction>
constexpr napi_property_descriptor method(const char* name) {
  return {name,    nullptr, entry<kFunction>,        nullptr,
          nullptr, nullptr, napi_default_jsproperty, nullptr};
}

// Called when the Node environment ends, which deletes no reference by itself.
void delete_environment(Napi::Env env, Environment* environment) {
  napi_delete_reference(env, environment->exit_watch_class);
  delete environment;
}

// False when an exception is pending or the environment is going away.
bool initialize(Napi::Env env, napi_value exports) {
  std::unique_ptr<Environment> own(new (std::nothrow) Environment());
  if (!own || !own->reader) {
    napi_throw_error(env, nullptr, "out of memory");
    return false;
  }
  const napi_property_descriptor exit_watch_methods[] = {
      method<exit_watch_exited>("exited"),
      method<exit_watch_close>("close"),
  };
  const napi_property_descriptor functions[] = {
      method<is_alive>("isAlive"),
      method<start_time>("startTime"),
      method<args>("args"),
      method<inspect>("inspect"),
      method<identity>("identity"),
      method<reason_by_exact_id>("reasonByExactId"),
      method<host>("host"),
      method<watch_exit>("watchExit"),
      method<lock_call<lock_try_exclusive>>("lockTryExclusive"),
      method<lock_call<lock_probe>>("lockProbe"),
      method<lock_call<lock_release>>("lockRelease"),
      method<lock_keep_file>("keepFile"),
      method<lock_drop_file>("dropFile"),
      method<lock_file_id>("fileId"),
      method<lock_file_system_type>("fileSystemType"),
      method<lock_is_named>("isNamed"),
      method<clock_call<monotonic_ms>>("monotonicMs"),
      method<clock_call<since_boot_ms>>("sinceBootMs"),
  };
  napi_value exit_watch_class = nullptr;
  if (napi_define_class(env, "NativeExitWatch", NAPI_AUTO_LENGTH, entry<construct_exit_watch>,
                        nullptr, std::size(exit_watch_methods), exit_watch_methods,
                        &exit_watch_class) != napi_ok ||
      napi_create_reference(env, exit_watch_class, 1, &own->exit_watch_class) != napi_ok ||
      napi_define_properties(env, exports, std::size(functions), functions) != napi_ok) {
    return false;
  }
  env.SetInstanceData<Environment, delete_environment>(own.release());
  return true;
}

}  // namespace
}  // namespace pidentity

NAPI_MODULE_INIT() { return pidentity::initialize(env, exports) ? exports : nullptr; }
