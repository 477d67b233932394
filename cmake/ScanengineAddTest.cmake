# scanengine_add_test(<name> [LABEL unit|process|golden|slow]
#                     SOURCES ... [LINK ...] [DEFINITIONS ...] [TIMEOUT s]
#                     [NOT_IN_WINE test...])
#
# One Catch2 executable; each of its test cases becomes a ctest test (in a cross
# build the executable as a whole, without the tests NOT_IN_WINE, which it would
# keep busy for minutes). Labels:
# unit (no process, no sleep), process (real workers), fuzz-replay, slow.
function(scanengine_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT"
                        "SOURCES;LINK;DEFINITIONS;NOT_IN_WINE")
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK} scanengine_test_main
                                        scanengine_warnings)
  target_compile_definitions(${name} PRIVATE ${arg_DEFINITIONS})
  if(CMAKE_CROSSCOMPILING)
    # The start of a program costs much more there than most test cases.
    list(TRANSFORM arg_NOT_IN_WINE PREPEND "~")
    add_test(NAME ${name} COMMAND ${name} --durations yes ${arg_NOT_IN_WINE})
    set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 400
                                            FIXTURES_REQUIRED wine)
    return()
  endif()
  catch_discover_tests(${name} TEST_PREFIX "${name}: "
                       PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
endfunction()

if(SCANENGINE_BUILD_TESTS)
  if(NOT CMAKE_CROSSCOMPILING)
    find_package(Catch2 2.13 REQUIRED)
    include(Catch)
  endif()
  # Before any folder adds a test of its own.
  enable_testing()
  add_library(scanengine_test_support STATIC 
    "tests/support/native_ends_${SCANENGINE_PLATFORM}.cc"
    "tests/support/temp_dir_${SCANENGINE_PLATFORM}.cc")
  target_include_directories(scanengine_test_support
                             PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(scanengine_test_support PRIVATE scanengine_warnings)
  add_library(scanengine_test_main STATIC tests/support/catch_main.cc)
  target_link_libraries(scanengine_test_main
                        PUBLIC Catch2::Catch2 scanengine_test_support)
  target_include_directories(scanengine_test_main
                             PUBLIC "${PROJECT_SOURCE_DIR}")
endif()

# scanengine_add_fuzz_target(<name> SOURCES ... LINK ... [CORPUS dir])
#
# With SCANENGINE_BUILD_FUZZERS a libFuzzer program. In every other build the
# same source with a driver that replays the files of the corpus, as a test.
function(scanengine_add_fuzz_target name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS" "SOURCES;LINK")
  if(CMAKE_CROSSCOMPILING)
    return()  # Their corpora say the same on every system.
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK} scanengine_warnings)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  if(SCANENGINE_BUILD_FUZZERS)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE
                   "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc")
  endif()
  if(arg_CORPUS)
    if(SCANENGINE_BUILD_FUZZERS)
      add_test(NAME ${name}_replay COMMAND ${name} -runs=0 "${arg_CORPUS}")
    else()
      add_test(NAME ${name}_replay COMMAND ${name} "${arg_CORPUS}")
    endif()
    set_tests_properties(${name}_replay PROPERTIES LABELS fuzz-replay
                                                   TIMEOUT 300)
  endif()
endfunction()
