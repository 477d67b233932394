#define CATCH_CONFIG_MAIN
// Catch2 would define wmain() on Windows, which not all compilers look for.
#define DO_NOT_USE_WMAIN
#include <catch2/catch.hpp>
