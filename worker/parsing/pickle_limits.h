#ifndef SCANENGINE_WORKER_PARSING_PICKLE_LIMITS_H_
#define SCANENGINE_WORKER_PARSING_PICKLE_LIMITS_H_

namespace scanengine {

/// |usual|, or |small| in builds with SCANENGINE_SMALL_PICKLE_LIMITS. There the
/// pickle machine runs out of everything within a few hundred opcodes, so that
/// fuzzing gets to what happens then: it cannot write the millions of them that
/// it takes otherwise.
template <typename T>
constexpr T PickleLimit([[maybe_unused]] T usual, [[maybe_unused]] T small) {
#ifdef SCANENGINE_SMALL_PICKLE_LIMITS
  return small;
#else
  return usual;
#endif
}

}  // namespace scanengine

#endif  // SCANENGINE_WORKER_PARSING_PICKLE_LIMITS_H_
