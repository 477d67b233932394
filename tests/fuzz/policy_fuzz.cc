// A user's policy file of any bytes: it compiles to tables that can be read, or
// says in which line it is wrong.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ipc/check.h"
#include "ipc/import_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace scanengine;
  const PolicyText text{"policy", {reinterpret_cast<const char*>(data), size}};
  const auto compiled = CompileImportPolicy(std::span(&text, 1));
  if (!compiled.ok()) {
    SCANENGINE_CHECK(compiled.error().detail.starts_with("policy:"));
    return 0;
  }
  SCANENGINE_CHECK(ImportPolicy::FromBytes(compiled.value()).ok());
  return 0;
}
