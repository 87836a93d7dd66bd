#include "exit_watch.h"

#include <iterator>
#include <new>
#include <utility>

#include "call.h"
#include "js_values.h"

namespace pidentity {
namespace {

// Keeps the methods from being called on an object that wraps something else.
constexpr napi_type_tag kTag = {0x7069642065786974, 0x8f2ab3cd1e574690};

struct WrappedWatch {
  std::unique_ptr<ExitWatch> watch;  // null once closed
};

void delete_wrapped_watch(napi_env, void* data, void*) { delete static_cast<WrappedWatch*>(data); }

napi_value construct(const Call& call) {
  // Empty unless wrap_exit_watch() is the caller, which fills it for one construction.
  std::unique_ptr<ExitWatch> watch = std::move(call.environment->exit_watch_class.to_wrap);
  if (!watch) {
    napi_throw_type_error(call.env, nullptr, "an exit watch is made by watchExit only");
    return nullptr;
  }
  std::unique_ptr<WrappedWatch> wrapped(new (std::nothrow) WrappedWatch{std::move(watch)});
  if (!wrapped || napi_type_tag_object(call.env, call.self, &kTag) != napi_ok ||
      napi_wrap(call.env, call.self, wrapped.get(), delete_wrapped_watch, nullptr, nullptr) !=
          napi_ok) {
    napi_throw_error(call.env, nullptr, "cannot make an exit watch");
    return nullptr;
  }
  static_cast<void>(wrapped.release());  // now owned by the object
  return call.self;
}

// Null, with an exception pending, when `this` is not an exit watch.
WrappedWatch* unwrap(const Call& call) {
  bool tagged = false;
  void* data = nullptr;
  if (type_of(call.env, call.self) != napi_object ||
      napi_check_object_type_tag(call.env, call.self, &kTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(call.env, call.self, &data) != napi_ok) {
    throw_type_error(call.env, "this", "an exit watch");
    return nullptr;
  }
  return static_cast<WrappedWatch*>(data);
}

napi_value exited(const Call& call) {
  WrappedWatch* const wrapped = unwrap(call);
  if (wrapped == nullptr) return nullptr;
  if (!wrapped->watch) {
    napi_throw_error(call.env, nullptr, "the exit watch is closed");
    return nullptr;
  }
  return boolean(call.env, wrapped->watch->exited());
}

napi_value close(const Call& call) {
  WrappedWatch* const wrapped = unwrap(call);
  if (wrapped != nullptr) wrapped->watch.reset();
  return nullptr;
}

}  // namespace

bool define_exit_watch_class(napi_env env, ExitWatchClass& exit_watch_class) {
  const napi_property_descriptor methods[] = {method<exited>("exited"), method<close>("close")};
  napi_value constructor = nullptr;
  return napi_define_class(env, "NativeExitWatch", NAPI_AUTO_LENGTH, entry<construct>, nullptr,
                           std::size(methods), methods, &constructor) == napi_ok &&
         napi_create_reference(env, constructor, 1, &exit_watch_class.constructor) == napi_ok;
}

napi_value wrap_exit_watch(napi_env env, ExitWatchClass& exit_watch_class,
                           std::unique_ptr<ExitWatch> watch) {
  napi_value constructor = nullptr;
  if (napi_get_reference_value(env, exit_watch_class.constructor, &constructor) != napi_ok) {
    return nullptr;
  }
  exit_watch_class.to_wrap = std::move(watch);
  napi_value object = nullptr;
  if (napi_new_instance(env, constructor, 0, nullptr, &object) != napi_ok) object = nullptr;
  exit_watch_class.to_wrap.reset();
  return object;
}

}  // namespace pidentity
