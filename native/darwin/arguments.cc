#include "darwin/arguments.h"

#include <cerrno>
#include <new>
#include <optional>
#include <string_view>

#include "darwin/kernel_queries.h"
#include "parse/procargs2.h"

namespace pidentity {
namespace {

// How often a command line is read again because its process called exec meanwhile.
constexpr int kAttempts = 4;

// EINVAL stands alike for a free pid, a zombie, a process in exit() whose memory is gone, and one
// of another user.
ArgumentsRead why_unreadable(pid_t pid, int error) {
  const Status status = ask_status(pid);
  if (status.answer == Answer::kGone) return {ArgsReason::kGone, kAbsent};
  if (status.zombie) return {ArgsReason::kGone, kZombie};
  if (status.exiting) return {ArgsReason::kGone};
  switch (error) {
    case EINVAL:
    case EPERM:
    case EACCES:
      return {ArgsReason::kAccessDenied};
    default:  // EIO: its stack is not mapped or cannot be paged in; ENOMEM: no kernel memory
      return {ArgsReason::kUnsupported};
  }
}

}  // namespace

ArgumentsRead ArgumentsReader::read(pid_t pid, KnownProcess known, CommandLineSink& sink) {
  if (buffer_ == nullptr) {
    // As much as there can be, at once: a buffer too short gets the tail of the strings, and pages
    // that are never touched cost nothing.
    capacity_ = ask_argument_space();
    buffer_.reset(new (std::nothrow) char[capacity_]);
    if (buffer_ == nullptr) return {ArgsReason::kUnsupported};
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::size_t size = capacity_;
    const int error = read_argument_strings(pid, buffer_.get(), size);
    switch (presence_of(pid, known)) {
      case Presence::kGone:
        return {ArgsReason::kGone, kAbsent};
      case Presence::kUnknown:  // a sandbox does not tell of which process they are
        return {ArgsReason::kAccessDenied};
      case Presence::kSameAfterExec:
        // The kernel notes argc and the length, then reads the stack; an exec in between makes
        // environment of what it takes for arguments.
        break;
      case Presence::kSame:
        return error == 0 ? deliver(size, sink) : why_unreadable(pid, error);
    }
  }
  return {ArgsReason::kBusy};
}

ArgumentsRead ArgumentsReader::deliver(std::size_t size, CommandLineSink& sink) const {
  // A full buffer may have been too short: ARG_MAX counts arguments and environment, but the
  // strings also hold the path and what the kernel tells the dynamic linker.
  if (size >= capacity_) return {ArgsReason::kUnsupported};
  std::optional<Procargs2> arguments = Procargs2::parse({buffer_.get(), size});
  if (!arguments) return {ArgsReason::kUnsupported};
  sink.raw(arguments->raw());
  while (const std::optional<std::string_view> argument = arguments->next()) {
    sink.argument(*argument);
  }
  return {ArgsReason::kRead};
}

}  // namespace pidentity
