#include "darwin/same_process.h"

namespace pidentity {

Presence presence_of(pid_t pid, KnownProcess& known) {
  if (known.id) {
    const UniqueId now = ask_unique_id(pid);
    if (now.answer == Answer::kGone) return Presence::kGone;
    if (now.answer != Answer::kGiven) return Presence::kUnknown;
    if (now.value != known.id->value) return Presence::kGone;
    if (now.program == known.id->program) return Presence::kSame;
    known.id->program = now.program;
    return Presence::kSameAfterExec;
  }
  const Record now = ask_record(pid);
  if (now.answer == Answer::kGone) return Presence::kGone;
  if (!known.start_time || !now.start_time) return Presence::kUnknown;
  return *now.start_time == *known.start_time ? Presence::kSame : Presence::kGone;
}

}  // namespace pidentity
