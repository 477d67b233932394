#include <catch2/catch.hpp>
#include <string>

#include "tests/support/scan_bytes.h"
#include "tests/support/zip_builder.h"

namespace scanengine {
namespace {

using testing::ScanBytes;
using testing::ZipBuilder;

// Two float64 in format version 1.0.
std::string Npy() {
  std::string header =
      "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
  header.resize(117, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) +
         testing::Bytes().U16(header.size()).Take() + header +
         std::string(16, '\0');
}

}  // namespace

TEST_CASE("npz scanner: an archive of arrays is scanned") {
  const std::uint16_t method = GENERATE(std::uint16_t{0}, std::uint16_t{8});
  const ScanReply reply = ScanBytes(
      ZipBuilder{.items = {{.name = "x.npy", .data = Npy(), .method = method},
                           {.name = "y.npy", .data = Npy(), .method = method}}}
          .Build(),
      "arrays");
  CHECK(reply.format == "npz");
  CHECK(reply.status == OutcomeStatus::kScanned);
  CHECK(reply.findings.empty());
  REQUIRE_FALSE(reply.assets.empty());
  CHECK(reply.assets.back().format == "npz");
  CHECK(reply.assets.back().facts ==
        std::vector<std::pair<std::string, std::string>>{{"arrays", "2"}});
}

TEST_CASE("npz scanner: a cut archive is malformed") {
  const std::string bytes =
      ZipBuilder{.items = {{.name = "x.npy", .data = Npy()}}}.Build();
  const ScanReply reply =
      ScanBytes(std::string_view(bytes).substr(0, bytes.size() - 30), "x.npz");
  CHECK(reply.format == "npz");
  REQUIRE_FALSE(reply.findings.empty());
  CHECK(reply.findings[0].rule_id == "zip-malformed");
}

}  // namespace scanengine
