// The messages: whatever decodes encodes to the same bytes, and nothing that a
// peer sends does harm. The first byte chooses the message.

#include <algorithm>
#include <cstdint>
#include <span>

#include "ipc/check.h"
#include "ipc/messages.h"

namespace {

using Payload = std::span<const std::byte>;

template <typename Decoded>
void CheckSame(const Decoded& decoded, Payload payload) {
  if (!decoded.ok()) return;
  const auto encoded = scanengine::Encode(decoded.value());
  SCANENGINE_CHECK(std::equal(encoded.begin(), encoded.end(), payload.begin(),
                              payload.end()));
}

template <typename Hello>
bool SameVersion(const scanengine::Result<Hello>& hello) {
  return hello.ok() &&
         hello.value().protocol_version == scanengine::kProtocolVersion;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const Payload payload(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: {
      const auto hello = scanengine::DecodeSupervisorHello(payload);
      if (SameVersion(hello)) CheckSame(hello, payload);
      break;
    }
    case 1: {
      const auto hello = scanengine::DecodeWorkerHello(payload);
      if (SameVersion(hello)) CheckSame(hello, payload);
      break;
    }
    case 2:
      CheckSame(scanengine::DecodeTasks(payload), payload);
      break;
    default:
      CheckSame(scanengine::DecodeReplies(payload), payload);
      break;
  }
  return 0;
}
