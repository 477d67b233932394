#ifndef SCANENGINE_CLI_DOCTOR_REPORT_H_
#define SCANENGINE_CLI_DOCTOR_REPORT_H_

#include <string>
#include <string_view>

#include "cli/exit_code.h"
#include "cli/text_style.h"
#include "engine/doctor.h"

namespace scanengine::cli {

/// For people: a line for each check, with what follows from it and what to do
/// where it is not well; the steps of the round trip; a verdict.
std::string DoctorText(const Diagnosis& diagnosis, const TextStyle& style);

/// One document of the schema "scanengine-doctor/1".
std::string DoctorJson(const Diagnosis& diagnosis, std::string_view version);

/// kClean, kIncomplete (weaker) or kUnable.
ExitCode DoctorExitCode(Fitness fitness);

}  // namespace scanengine::cli

#endif  // SCANENGINE_CLI_DOCTOR_REPORT_H_
