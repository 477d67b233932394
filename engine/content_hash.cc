#include "engine/content_hash.h"

// The plain functions: those that OpenSSL prefers bring a megabyte of providers
// along and take a millisecond to set up. OPENSSL_SUPPRESS_DEPRECATED is set by
// the build.
#include <openssl/sha.h>

namespace scanengine {

struct Sha256Hasher::State {
  SHA256_CTX context;
};

Sha256Hasher::Sha256Hasher() : state_(std::make_unique<State>()) {
  SHA256_Init(&state_->context);
}

Sha256Hasher::~Sha256Hasher() = default;

void Sha256Hasher::Add(std::span<const std::byte> bytes) {
  SHA256_Update(&state_->context, bytes.data(), bytes.size());
}

void Sha256Hasher::Add(std::uint64_t number) {
  std::array<std::byte, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(number >> (8 * i));
  }
  Add(std::span<const std::byte>(bytes));
}

Sha256 Sha256Hasher::Finish() {
  Sha256 hash{};
  SHA256_Final(hash.data(), &state_->context);
  return hash;
}

}  // namespace scanengine
