# Everything that a person may set. All names are prefixed.
option(SCANENGINE_DEV "Warnings are errors" OFF)
option(SCANENGINE_BUILD_TESTS "Build the tests" ON)
option(SCANENGINE_BUILD_BENCHMARKS "Build the benchmarks" OFF)
option(SCANENGINE_BUILD_FUZZERS
       "Build libFuzzer targets (needs clang); without it they replay files" OFF)
set(SCANENGINE_FUZZ_COVER "" CACHE STRING
    "Sources whose edges libFuzzer looks at, as patterns; empty: all")
option(SCANENGINE_SMALL_PICKLE_LIMITS
       "Pickles run out of room early, for fuzzing; never for use" OFF)
set(SCANENGINE_SANITIZER "" CACHE STRING
    "Sanitizers for every target: address;undefined, or thread")
