#include "ipc/import_policy.h"

namespace scanengine {

Result<ImportPolicy> ImportPolicy::FromBytes(std::span<const std::byte>) {
  return ImportPolicy();
}
ImportJudgement ImportPolicy::Judge(std::string_view, std::string_view) const {
  return {};
}
Result<std::vector<std::byte>> CompileImportPolicy(
    std::span<const PolicyText>) {
  return std::vector<std::byte>();
}

}  // namespace scanengine
