# Compiler settings as INTERFACE targets, linked PRIVATE, so that they reach no
# one else's code.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(SCANENGINE_CCACHE ccache)
if(SCANENGINE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${SCANENGINE_CCACHE}")
endif()
find_program(SCANENGINE_MOLD mold)
if(SCANENGINE_MOLD AND NOT WIN32)
  add_link_options(-fuse-ld=mold)
endif()
if(WIN32)
  # Windows 10, wide functions, and no macros where the system offers a choice.
  add_compile_definitions(_WIN32_WINNT=0x0A00 UNICODE _UNICODE NOMINMAX
                          WIN32_LEAN_AND_MEAN _CRT_SECURE_NO_WARNINGS)
endif()

add_library(scanengine_warnings INTERFACE)
if(MSVC)
  add_compile_options(/utf-8 /permissive- /Zc:__cplusplus /Zc:preprocessor /EHsc)
  target_compile_options(scanengine_warnings INTERFACE
    /W4 $<$<BOOL:${SCANENGINE_DEV}>:/WX>)
else()
  target_compile_options(scanengine_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
    $<$<BOOL:${SCANENGINE_DEV}>:-Werror>)
endif()

if(SCANENGINE_SANITIZER)
  string(REPLACE ";" "," sanitizers "${SCANENGINE_SANITIZER}")
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${sanitizers})
  if("thread" IN_LIST SCANENGINE_SANITIZER)
    # g++ warns of Asio's fences, which its ThreadSanitizer does not follow.
    # Asio has a form without them.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
endif()
if(SCANENGINE_SMALL_PICKLE_LIMITS)
  add_compile_definitions(SCANENGINE_SMALL_PICKLE_LIMITS)
endif()
if(SCANENGINE_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SCANENGINE_BUILD_FUZZERS needs clang")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
  if(SCANENGINE_FUZZ_COVER)
    set(allowlist "${PROJECT_BINARY_DIR}/fuzz_cover.txt")
    list(TRANSFORM SCANENGINE_FUZZ_COVER PREPEND "src:" OUTPUT_VARIABLE lines)
    list(JOIN lines "\n" lines)
    file(CONFIGURE OUTPUT "${allowlist}" CONTENT "${lines}\nfun:*\n")
    add_compile_options("-fsanitize-coverage-allowlist=${allowlist}")
  endif()
endif()
