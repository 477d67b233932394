# scanengine_add_test(<name> [LABEL unit|process|golden|slow]
#                     SOURCES ... [LINK ...] [DEFINITIONS ...] [TIMEOUT s]
#                     [APART_IN_WINE test...] [NOT_IN_WINE test...]
#                     [IF_WINE_CAN test...])
#
# One Catch2 executable; each of its test cases becomes a ctest test (in a cross
# build the executable as a whole). Labels:
# unit (no process, no sleep), process (real workers), fuzz-replay, slow.
#
# Under wine the tests APART_IN_WINE take long, and run beside the others. The
# tests NOT_IN_WINE would take minutes: they are disabled. Those IF_WINE_CAN
# need what not every wine has; where it is lacking they say "not run:" and why.
# ctest lists these two as not run, under their names.
function(scanengine_add_test name)
  set(lists SOURCES LINK DEFINITIONS APART_IN_WINE NOT_IN_WINE IF_WINE_CAN)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "${lists}")
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
    set(apart ${arg_APART_IN_WINE} ${arg_NOT_IN_WINE} ${arg_IF_WINE_CAN})
    list(TRANSFORM apart PREPEND "~" OUTPUT_VARIABLE without_apart)
    add_test(NAME ${name} COMMAND ${name} --durations yes ${without_apart})
    set(tests ${name})
    foreach(test IN LISTS apart)
      add_test(NAME "${name}: ${test}" COMMAND ${name} "${test}")
      list(APPEND tests "${name}: ${test}")
    endforeach()
    set_tests_properties(${tests} PROPERTIES
      LABELS ${arg_LABEL} TIMEOUT 1500 FIXTURES_REQUIRED wine
      SKIP_REGULAR_EXPRESSION "not run: ")
    foreach(test IN LISTS arg_NOT_IN_WINE)
      set_tests_properties("${name}: ${test}" PROPERTIES DISABLED TRUE)
    endforeach()
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
# With SCANENGINE_BUILD_FUZZERS a libFuzzer program, with the mutator of its
# own that tests/fuzz/<name>_mutator.cc may be. In every other build the
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
    set(mutator "${PROJECT_SOURCE_DIR}/tests/fuzz/${name}_mutator.cc")
    if(EXISTS "${mutator}")
      target_sources(${name} PRIVATE "${mutator}")
    endif()
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
