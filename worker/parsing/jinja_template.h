#ifndef SCANENGINE_WORKER_PARSING_JINJA_TEMPLATE_H_
#define SCANENGINE_WORKER_PARSING_JINJA_TEMPLATE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/finding.h"

namespace scanengine {

/// Something in a template that reaches for more than its variables.
struct TemplateSighting {
  Severity severity = Severity::kHigh;
  std::string what;        ///< "attribute __globals__".
  std::size_t offset = 0;  ///< In the template's text.

  bool operator==(const TemplateSighting&) const = default;
};

/// Most sightings that one template yields.
inline constexpr std::size_t kMaxTemplateSightings = 32;

/// Looks through the expressions and statements of a Jinja template (of a chat
/// model, as a rule) for ways out of the template language: Python's double
/// underscore attributes however they are spelt, frames and code objects, the
/// attr filter, the default globals that attacks start from, modules, includes.
///
/// Text outside of {{ }} and {% %} and comments is output, never run, and is
/// not looked at. Nothing is rendered. Time and memory are linear in the
/// template.
std::vector<TemplateSighting> InspectTemplate(std::string_view text);

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_JINJA_TEMPLATE_H_
