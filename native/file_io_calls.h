// The functions of the addon that ask the contract of file_io.h.
#ifndef PIDENTITY_NATIVE_FILE_IO_CALLS_H_
#define PIDENTITY_NATIVE_FILE_IO_CALLS_H_

#include <napi.h>

namespace pidentity {

// Adds them to the module. False when an exception is pending or the environment is going away.
bool define_file_io_calls(napi_env env, napi_value exports);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_FILE_IO_CALLS_H_
