#include "process_reference.h"

#include <iterator>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "call.h"
#include "inspect.h"
#include "js_values.h"

namespace pidentity {
namespace {

// Keeps the methods from being called on an object that wraps something else.
constexpr napi_type_tag kTag = {0x7069642065786974, 0x8f2ab3cd1e574690};

struct WrappedReference {
  std::unique_ptr<ProcessReference> reference;  // null once closed
};

void delete_wrapped(napi_env, void* data, void*) { delete static_cast<WrappedReference*>(data); }

napi_value construct(const Call& call) {
  // Empty unless wrap_reference() is the caller, which fills it for one construction.
  std::unique_ptr<ProcessReference> reference =
      std::move(call.environment->reference_class.to_wrap);
  if (!reference) {
    napi_throw_type_error(call.env, nullptr, "a process reference is made by reference() only");
    return nullptr;
  }
  std::unique_ptr<WrappedReference> wrapped(new (std::nothrow)
                                                WrappedReference{std::move(reference)});
  if (!wrapped || napi_type_tag_object(call.env, call.self, &kTag) != napi_ok ||
      napi_wrap(call.env, call.self, wrapped.get(), delete_wrapped, nullptr, nullptr) != napi_ok) {
    napi_throw_error(call.env, nullptr, "cannot make a process reference");
    return nullptr;
  }
  static_cast<void>(wrapped.release());  // now owned by the object
  return call.self;
}

// Null, with an exception pending, when `this` is not a process reference.
WrappedReference* unwrap(const Call& call) {
  bool tagged = false;
  void* data = nullptr;
  if (type_of(call.env, call.self) != napi_object ||
      napi_check_object_type_tag(call.env, call.self, &kTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(call.env, call.self, &data) != napi_ok) {
    throw_type_error(call.env, "this", "a process reference");
    return nullptr;
  }
  return static_cast<WrappedReference*>(data);
}

// Null, with an exception pending, when it is closed.
ProcessReference* opened(const Call& call) {
  WrappedReference* const wrapped = unwrap(call);
  if (wrapped == nullptr) return nullptr;
  if (!wrapped->reference) {
    napi_throw_error(call.env, nullptr, "the process reference is closed");
    return nullptr;
  }
  return wrapped->reference.get();
}

napi_value exited(const Call& call) {
  ProcessReference* const reference = opened(call);
  return reference == nullptr ? nullptr : boolean(call.env, reference->exited());
}

napi_value identity_of(const Call& call) {
  ProcessReference* const reference = opened(call);
  if (reference == nullptr) return nullptr;
  const std::span<double> facts = to_numbers(call.env, call.arguments[0], kFactCount, "facts");
  if (!facts.empty()) write_identity(facts, reference->identity());
  return nullptr;
}

napi_value signal(const Call& call) {
  ProcessReference* const reference = opened(call);
  if (reference == nullptr) return nullptr;
  const std::optional<int> number = to_integer<int>(call.env, call.arguments[0], "signal");
  if (!number) return nullptr;
  return pidentity::number(call.env, static_cast<double>(reference->signal(*number)));
}

napi_value close(const Call& call) {
  WrappedReference* const wrapped = unwrap(call);
  if (wrapped != nullptr) wrapped->reference.reset();
  return nullptr;
}

}  // namespace

bool define_reference_class(napi_env env, ReferenceClass& reference_class) {
  const napi_property_descriptor methods[] = {method<exited>("exited"),
                                              method<identity_of>("identity"),
                                              method<signal>("signal"), method<close>("close")};
  napi_value constructor = nullptr;
  return napi_define_class(env, "NativeProcessReference", NAPI_AUTO_LENGTH, entry<construct>,
                           nullptr, std::size(methods), methods, &constructor) == napi_ok &&
         napi_create_reference(env, constructor, 1, &reference_class.constructor) == napi_ok;
}

napi_value wrap_reference(napi_env env, ReferenceClass& reference_class,
                          std::unique_ptr<ProcessReference> reference) {
  napi_value constructor = nullptr;
  if (napi_get_reference_value(env, reference_class.constructor, &constructor) != napi_ok) {
    return nullptr;
  }
  reference_class.to_wrap = std::move(reference);
  napi_value object = nullptr;
  if (napi_new_instance(env, constructor, 0, nullptr, &object) != napi_ok) object = nullptr;
  reference_class.to_wrap.reset();
  return object;
}

}  // namespace pidentity
